/** The name of a header or of an authentication scheme (RFC 9110 §5.6.2). */
export const headerName = { type: 'string', pattern: '^[!#$%&\'*+.^_`|~0-9A-Za-z-]{1,100}$' } as const

/** What a header can carry without being changed on the way. */
export const headerText = { type: 'string', minLength: 1, maxLength: 8192, pattern: '^[\\x21-\\x7e]([\\x20-\\x7e]*[\\x21-\\x7e])?$' } as const
