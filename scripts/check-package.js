// Checks what would be published: packs dist/ as it is, and has publint and "are the types wrong" look at that one tarball.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = new URL('..', import.meta.url)
const scratch = mkdtempSync(join(tmpdir(), 'fastify-docuware-auth-'))
const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })

try {
  const [{ filename, size, unpackedSize, entryCount }] = JSON.parse(execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--loglevel=error', '--pack-destination', scratch], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] }))
  const tarball = join(scratch, filename)
  console.log(`${filename}: ${entryCount} files, ${Math.ceil(size / 1000)} kB, ${Math.ceil(unpackedSize / 1000)} kB unpacked`)
  run('publint', 'run', tarball, '--strict')
  run('attw', tarball, '--profile', 'esm-only', '--format', 'ascii', '--no-summary', '--no-emoji')
} catch (error) {
  if (error.status === undefined) throw error
  process.exitCode = 1 // the tool has said why
} finally {
  rmSync(scratch, { recursive: true })
}
