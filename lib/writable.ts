/** The same while it is being made. Members that may be missing are added where they are known: to spread an object for each takes longer than all the rest. */
export type Writable<Made> = { -readonly [Member in keyof Made]: Made[Member] }
