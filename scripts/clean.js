// Removes build folders so that a deleted source never leaves its compiled twin behind.
import { rmSync } from 'node:fs'

for (const folder of process.argv.slice(2)) rmSync(new URL(`../${folder}`, import.meta.url), { recursive: true, force: true })
