/** Fields to show, by the names that lead to them; an empty tree is a field that is shown whole. */
export interface FieldTree extends ReadonlyMap<string, FieldTree> {}

interface Branch extends Map<string, Branch> {}

/** The fields of a record to show: a field that is shown whole covers those in it. The id is no field, it is always shown. */
export function fieldTree (paths: Iterable<string>): FieldTree {
  const root: Branch = new Map()
  const sorted = [...new Set(paths)].sort((one, other) => one.length - other.length)
  for (const path of sorted) {
    const names = path.split('.')
    if (names[0] !== 'id' && names[0] !== '_id') grow(root, names)
  }
  return root
}

/** As a projection: MongoDB takes no field beside one that holds it. */
export function projectionOf (tree: FieldTree): Record<string, 1> {
  return { _id: 1, ...Object.fromEntries(pathsOf(tree, '').map((path) => [path, 1 as const])) }
}

/** Shorter paths come first, so a branch without members is shown whole already. */
function grow (root: Branch, [first = '', ...rest]: readonly string[]): void {
  const branch = root.get(first)
  if (branch === undefined) root.set(first, chain(rest))
  else if (branch.size > 0) grow(branch, rest)
}

function chain ([first, ...rest]: readonly string[]): Branch {
  return first === undefined ? new Map() : new Map([[first, chain(rest)]])
}

function pathsOf (tree: FieldTree, prefix: string): string[] {
  return [...tree].flatMap(([name, members]) => members.size === 0 ? [prefix + name] : pathsOf(members, `${prefix}${name}.`))
}
