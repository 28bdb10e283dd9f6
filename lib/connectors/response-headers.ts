import type { IncomingHttpHeaders } from 'node:http'

/** Headers of an answer as Node has them: names in lower case, `set-cookie` a list, since cookies cannot be joined (RFC 9110 §5.3), any other a text. */
export type ResponseHeaders = Readonly<IncomingHttpHeaders>
