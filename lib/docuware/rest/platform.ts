import { Target } from '../../connectors/target.js'
import { docuwareErrors } from './docuware-dialect.js'

/** A DocuWare platform: paths may be written below it, or with the platform's own in front as DocuWare's links are. */
export class Platform extends Target {
  readonly #lowerCasePath = this.path.toLowerCase()

  constructor (platformUrl: string) {
    super(platformUrl, docuwareErrors)
  }

  /** Whether DocuWare counts this among an organization's lists of file cabinets. */
  listsCabinets (url: URL): boolean {
    return url.pathname.length <= this.path.length + '/FileCabinets/Index/'.length && /^\/filecabinets(\/index)?\/?$/i.test(url.pathname.slice(this.path.length))
  }

  /** A URL, a reference to a host, or a path that has the platform's in front. */
  protected override isWhole (path: string): boolean {
    if (super.isWhole(path)) return true
    const start = path.slice(0, this.path.length + 1).toLowerCase()
    return start.replace(/[/?#]$/, '') === this.#lowerCasePath
  }
}
