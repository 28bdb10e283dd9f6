/** The kinds of secrets that pass through the simulator. */
export const secretKinds = ['accessTokens', 'refreshTokens', 'idTokens', 'loginTokens', 'codes', 'states', 'codeVerifiers', 'clientSecrets', 'passwords', 'passphrases'] as const

export type SecretKind = (typeof secretKinds)[number]

const limit = 500_000

/** Every secret that was issued or seen, in order and once each. */
export class SecretsIssued {
  readonly #values = new Map<SecretKind, Set<string>>(secretKinds.map((kind) => [kind, new Set()]))
  #size = 0

  /** @throws Error after 500 000 secrets: forgetting one would make a search of the logs worthless */
  add<Secret extends string> (kind: SecretKind, secret: Secret): Secret {
    const values = this.#values.get(kind)
    if (values === undefined || values.has(secret)) return secret
    if (++this.#size > limit) throw new Error(`The simulator has issued ${limit} secrets and can list no more: start a new one`)
    values.add(secret)
    return secret
  }

  list (): { [Kind in SecretKind]: string[] } {
    const of = (kind: SecretKind): string[] => [...this.#values.get(kind) ?? []]
    return {
      accessTokens: of('accessTokens'),
      refreshTokens: of('refreshTokens'),
      idTokens: of('idTokens'),
      loginTokens: of('loginTokens'),
      codes: of('codes'),
      states: of('states'),
      codeVerifiers: of('codeVerifiers'),
      clientSecrets: of('clientSecrets'),
      passwords: of('passwords'),
      passphrases: of('passphrases')
    }
  }
}
