/**
 * The same while it is being made. Members that may be missing are added one by one: an object literal in which others follow a spread takes V8 up to some microseconds
 * (Node 20), more than all else that makes an audit entry.
 */
export type Mutable<Made> = { -readonly [Member in keyof Made]: Made[Member] }
