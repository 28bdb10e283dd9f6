import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import type { Teardown } from '../mongo.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }

/**
 * Compiles a script beside this one and all that it imports, and returns where it is. For workers that load much:
 * by itself each process would compile it again, which takes seconds.
 */
export async function compiled (t: Teardown, script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dwa-worker-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  const first = fileURLToPath(new URL(script, import.meta.url))
  const outputOf = (file: string): string => join(folder, relative(root, file)).replace(/\.ts$/, '.js')
  const files = new Set([first])
  for (const file of files) {
    const { outputText } = ts.transpileModule(await readFile(file, 'utf8'), { compilerOptions })
    await mkdir(dirname(outputOf(file)), { recursive: true })
    await writeFile(outputOf(file), outputText)
    for (const { fileName } of ts.preProcessFile(outputText).importedFiles) {
      if (fileName.startsWith('.')) files.add(join(dirname(file), fileName.replace(/\.js$/, '.ts')))
    }
  }
  return outputOf(first)
}
