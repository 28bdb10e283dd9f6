import { readdir, readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')

t.test('every module of lib/ and plugins/ loads, and does nothing by being loaded', async (t) => {
  for (const folder of ['lib', 'plugins']) {
    const files = (await readdir(join(root, folder), { recursive: true })).filter((file) => file.endsWith('.ts'))
    t.not(files.length, 0, folder)
    for (const file of files) await t.resolves(import(pathToFileURL(join(root, folder, file.replace(/\.ts$/, '.js'))).href), `${folder}/${file}`)
  }
  t.strictSame(process.getActiveResourcesInfo().filter((name) => /^(Timeout|Immediate|TCP|FSEvent)/.test(name)), [], 'nothing is left running')
})

t.test('nothing under lib/ imports Fastify at run time', async (t) => {
  for (const file of await readdir(join(root, 'lib'), { recursive: true })) {
    if (!file.endsWith('.ts')) continue
    const source = await readFile(join(root, 'lib', file), 'utf8')
    t.notMatch(source, /^import (?!type )[^\n]* from 'fastify(-plugin)?'/m, file)
  }
})
