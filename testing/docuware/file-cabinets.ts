import { createHash, randomUUID } from 'node:crypto'
import { generatedAt, generatedValues, type FieldValue, type FieldValues } from './document-fields.js'
import type { FileCabinetSeed } from './options.js'

/** A file that was uploaded: what is kept of it. */
export interface DocuWareUpload {
  readonly fileCabinetId: string
  /** The new document's id. */
  readonly id: number
  /** Null: a data record without a file. */
  readonly fileName: string | null
  readonly contentType: string
  readonly bytes: number
  /** Of the file, in hexadecimal. */
  readonly sha256: string
}

/** The file of a document. */
export interface DocumentFile {
  readonly name: string
  readonly contentType: string
  readonly bytes: number
  /** Whether its content can be read: that of uploaded files is not kept. */
  readonly readable: boolean
}

interface Stored { readonly upload: DocuWareUpload, readonly values: FieldValues, readonly at: number }

const maxUploads = 100_000
const maxChanged = 100_000

/** One file cabinet: so many generated documents, then the uploaded ones. Their ids count from 1. */
export class FileCabinet {
  readonly id: string
  readonly name: string
  readonly isBasket: boolean
  readonly #generated: number
  readonly #fileBytes: number
  readonly #stored: Stored[] = []
  readonly #changes = new Map<number, { readonly values: Map<string, FieldValue>, at: number }>()
  readonly #now: () => number

  constructor ({ id = randomUUID(), name, documents = 25, fileBytes = 4096, isBasket = false }: FileCabinetSeed, now: () => number) {
    this.id = id
    this.name = name
    this.isBasket = isBasket
    this.#generated = documents
    this.#fileBytes = fileBytes
    this.#now = now
  }

  /** How many documents it has. */
  get total (): number {
    return this.#generated + this.#stored.length
  }

  has (id: number): boolean {
    return Number.isSafeInteger(id) && id >= 1 && id <= this.total
  }

  /** Every field of a document that is there. */
  values (id: number): FieldValues {
    const file = this.file(id)
    const stored = this.#upload(id)
    const at = stored?.at ?? generatedAt(id)
    const change = this.#changes.get(id)
    return new Map<string, FieldValue>([
      ['DWDOCID', id],
      ['DWDOCSIZE', file.bytes],
      ['DWSTOREUSER', 'DWSYSTEM'],
      ['DWSTOREDATETIME', at],
      ['DWEXTENSION', /\.[^.]+$/.exec(file.name)?.[0] ?? ''],
      ['DWMODUSER', 'DWSYSTEM'],
      ['DWMODDATETIME', change?.at ?? at],
      ['DWSECTIONCOUNT', 1],
      ['DWPAGECOUNT', 1],
      ...stored?.values ?? generatedValues(id),
      ...change?.values ?? []
    ])
  }

  file (id: number): DocumentFile {
    const upload = this.#upload(id)?.upload
    if (upload === undefined) return { name: `${this.name} ${id}.pdf`, contentType: 'application/pdf', bytes: this.#fileBytes, readable: true }
    return { name: upload.fileName ?? '', contentType: upload.contentType, bytes: upload.bytes, readable: false }
  }

  /** @throws Error when 100 000 documents have been changed */
  change (id: number, values: FieldValues): void {
    const change = this.#changes.get(id) ?? { values: new Map(), at: 0 }
    if (!this.#changes.has(id) && this.#changes.size >= maxChanged) throw new Error(`The simulator keeps the changes of ${maxChanged} documents and no more: start a new one`)
    for (const [name, value] of values) change.values.set(name, value)
    change.at = this.#now()
    this.#changes.set(id, change)
  }

  /** @throws Error when 100 000 documents have been uploaded */
  add (file: Omit<DocuWareUpload, 'id' | 'fileCabinetId'>, values: FieldValues): DocuWareUpload {
    if (this.#stored.length >= maxUploads) throw new Error(`The simulator takes ${maxUploads} uploads and no more: start a new one`)
    const upload = { ...file, fileCabinetId: this.id, id: this.total + 1 }
    this.#stored.push({ upload, values, at: this.#now() })
    return upload
  }

  uploads (): DocuWareUpload[] {
    return this.#stored.map(({ upload }) => upload)
  }

  /** The id of one of its dialogs: the same at every call. */
  dialogId (type: string): string {
    const digest = createHash('sha256').update(`${this.id} ${type}`).digest('hex')
    return [digest.slice(0, 8), digest.slice(8, 12), digest.slice(12, 16), digest.slice(16, 20), digest.slice(20, 32)].join('-')
  }

  #upload (id: number): Stored | undefined {
    return this.#stored[id - this.#generated - 1]
  }
}

/** The organization's file cabinets by id. */
export class FileCabinets {
  readonly #cabinets: ReadonlyMap<string, FileCabinet>

  constructor (seeds: readonly FileCabinetSeed[], now: () => number) {
    this.#cabinets = new Map(seeds.map((seed) => new FileCabinet(seed, now)).map((cabinet) => [cabinet.id.toLowerCase(), cabinet]))
  }

  list (): FileCabinet[] {
    return [...this.#cabinets.values()]
  }

  get (id: string): FileCabinet | undefined {
    return this.#cabinets.get(id.toLowerCase())
  }
}
