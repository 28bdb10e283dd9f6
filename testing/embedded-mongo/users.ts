/** The users and roles of a server. */
export class Users {
  /** True where a user may know of a database or a collection. */
  sees (_user: string | undefined, _database: string, _collection?: string): boolean {
    return true
  }
}
