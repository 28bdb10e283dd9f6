import type { Received } from './exchange.js'

/** DocuWare's error, as an object. */
export function platformError (received: Received, status: number, message: string, exception?: string): object {
  return {
    Message: message,
    ...(exception === undefined ? {} : { Exception: exception }),
    Uri: received.url.href,
    Method: received.method,
    StatusCode: status,
    Status: statusNames[status] ?? String(status)
  }
}

/** Statuses as .NET's HttpStatusCode names them. */
const statusNames: { readonly [status: number]: string } = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  408: 'RequestTimeout',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'UnprocessableEntity',
  429: 'TooManyRequests',
  500: 'InternalServerError',
  502: 'BadGateway',
  503: 'ServiceUnavailable',
  504: 'GatewayTimeout'
}
