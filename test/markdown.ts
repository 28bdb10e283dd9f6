import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import ts from 'typescript'

const root = join(import.meta.dirname, '..')

/** The package's own pages: README.md, SECURITY.md and docs/, by path. */
export async function readPages (): Promise<Map<string, string>> {
  const names = ['README.md', 'SECURITY.md', ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
  return new Map(await Promise.all(names.map(async (name): Promise<[string, string]> => [name, await readFile(join(root, name), 'utf8')])))
}

export interface Example {
  /** Page and line, for messages. */
  readonly where: string
  /** `js` is a program, or something for a shell. */
  readonly language: string
  readonly code: string
  /** A block that begins with its imports is a whole program; any other is a part of one. */
  readonly whole: boolean
  /** The `text` block right after a program: what it prints. */
  readonly output: string | null
}

/** The blocks of JavaScript and TypeScript on a page. */
export function examplesOf (name: string, page: string): Example[] {
  return [...page.matchAll(/^```(js|ts)\n(.*?)^```$(?:\s*^```text\n(.*?)^```$)?/gms)].map((match) => {
    const [, language = '', code = '', output = null] = match
    return { where: `${name}:${page.slice(0, match.index).split('\n').length}`, language, code, whole: code.startsWith('import '), output }
  })
}

/** JavaScript for an example, and what is wrong with its syntax. */
export function toJavaScript ({ code }: Example): { readonly script: string, readonly problems: string[] } {
  const { outputText, diagnostics = [] } = ts.transpileModule(code, { reportDiagnostics: true, compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext } })
  return { script: outputText, problems: diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')) }
}

/** As much of JSON Schema as the tables show. */
export interface ShownSchema {
  readonly type?: string | readonly string[]
  readonly properties?: { readonly [name: string]: ShownSchema }
  readonly required?: readonly string[]
  readonly items?: ShownSchema
  readonly anyOf?: readonly ShownSchema[]
  readonly enum?: readonly string[]
  readonly const?: string
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly description?: string
  readonly function?: boolean
  readonly additionalProperties?: unknown
}

/** The docstrings of an interface's members, those of nested literals as `log.size`. */
export async function docstringsOf (file: string, interfaceName: string): Promise<Map<string, string>> {
  const source = ts.createSourceFile(file, await readFile(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true)
  const found = new Map<string, string>()
  const visit = (members: ts.NodeArray<ts.TypeElement>, prefix: string): void => {
    for (const member of members) {
      if (!ts.isPropertySignature(member)) continue
      const name = prefix + member.name.getText(source)
      const text = ts.getJSDocCommentsAndTags(member).map((doc) => ts.getTextOfJSDocComment(doc.comment) ?? '').join(' ')
      if (text !== '') found.set(name, text)
      if (member.type !== undefined && ts.isTypeLiteralNode(member.type)) visit(member.type.members, `${name}.`)
    }
  }
  source.forEachChild((node) => { if (ts.isInterfaceDeclaration(node) && node.name.text === interfaceName) visit(node.members, '') })
  return found
}

/** A schema as a table. Nested members have rows of their own where they have docstrings of their own. */
export function tableOf (schema: ShownSchema, docstrings: ReadonlyMap<string, string> = new Map()): string {
  const rows = rowsOf(schema, docstrings, '')
  return ['| Option | Type | Meaning |', '| --- | --- | --- |', ...rows.map((cells) => `| ${cells.join(' | ')} |`)].join('\n')
}

function rowsOf (schema: ShownSchema, docstrings: ReadonlyMap<string, string>, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const path = prefix + name
    const nested = Object.keys(member.properties ?? {}).some((inner) => docstrings.has(`${path}.${inner}`))
    if (nested) return rowsOf(member, docstrings, `${path}.`)
    const meaning = (docstrings.get(path) ?? member.description ?? '').replaceAll('|', '\\|').replaceAll('\n', ' ')
    const required = schema.required?.includes(name) === true ? ', required' : ''
    const standard = member.default === undefined || /\bdefault\b/i.test(meaning) ? '' : `, default ${code(member.default)}`
    return [[`\`${path}\``, typeOf(member) + required + standard, meaning]]
  })
}

function typeOf (schema: ShownSchema): string {
  if (schema.function === true) return 'function'
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ')
  if (schema.enum !== undefined) return schema.enum.map(code).join(' \\| ')
  if (schema.const !== undefined) return code(schema.const)
  if (Array.isArray(schema.type)) return schema.type.join(' or ')
  if (schema.type === 'array') return `${typeOf(schema.items ?? {})}[]`
  if (schema.type === 'object' && schema.properties !== undefined && schema.additionalProperties === false) return `\`{ ${Object.keys(schema.properties).join(', ')} }\``
  const { minimum, maximum } = schema
  const range = minimum !== undefined && maximum !== undefined ? `, ${minimum} to ${maximum}` : ''
  return `${String(schema.type)}${range}`
}

function code (value: unknown): string {
  return `\`${String(value)}\``
}

/** The page with the text between `<!-- table: name -->` and `<!-- end -->` replaced. */
export function withTable (page: string, name: string, table: string): string {
  return page.replace(new RegExp(`(<!-- table: ${name} -->\n).*?(<!-- end -->)`, 's'), (_, open: string, close: string) => `${open}${table}\n${close}`)
}
