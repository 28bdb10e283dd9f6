import { errors } from '../../errors.js'
import { checkOptions } from '../../options.js'
import { withHeaders, type ConnectorRequest, type Strategy } from '../strategy.js'
import { headerText } from './header-schema.js'

export type TokenSource = string | (() => string | Promise<string>)

const schema = { type: 'object', properties: { token: { anyOf: [headerText, { function: true }] } } } as const
const pattern = new RegExp(headerText.pattern)

/** `Authorization: Bearer …` (RFC 6750): a token, or a function that is asked for one with every request. @throws DWA_OPTIONS_INVALID */
export function bearer (token: TokenSource): Strategy {
  checkOptions('bearer', schema, { token })
  const authorize = (request: ConnectorRequest, text: unknown): ConnectorRequest => {
    if (typeof text !== 'string' || !pattern.test(text)) throw new errors.DWA_CONNECTOR_INVALID_REQUEST('The function of bearer() gave no token that a header can carry')
    return withHeaders(request, { authorization: `Bearer ${text}` })
  }
  return {
    name: 'bearer',
    secrets: typeof token === 'string' ? [token] : [],
    apply (request) {
      const text = typeof token === 'string' ? token : token()
      return text instanceof Promise ? text.then((one) => authorize(request, one)) : authorize(request, text)
    }
  }
}
