import { randomUUID } from 'node:crypto'

/** The id in what a queue answered: a string or number, an object with `id` or `_id`, an Agenda job (`attrs._id`). Where there is none, one is made up. */
export function jobIdOf (answer: unknown): string {
  const found = [answer, member(answer, 'id'), member(answer, '_id'), member(member(answer, 'attrs'), '_id')].map(asText)
  return found.find((id) => id !== '') ?? randomUUID()
}

function member (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function asText (id: unknown): string {
  if (typeof id === 'string') return id
  if (typeof id === 'number' || typeof id === 'bigint') return String(id)
  const toHex = member(id, 'toHexString') // MongoDB's ids
  return typeof toHex === 'function' ? String(Reflect.apply(toHex, id, [])) : ''
}
