const CHUNK = 256

interface Chunk<K, V> { keys: K[], values: V[] }

/** The first position in a sorted array whose key is not below the one given. */
function lowerBound<K extends string | number> (keys: K[], key: K): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const candidate = keys[middle]
    if (candidate !== undefined && candidate < key) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * A map that iterates in the order of its keys, from any key, either way. Kept as a list of short sorted arrays:
 * adding at the end costs next to nothing, anywhere else a binary search and a small copy.
 */
export class OrderedMap<K extends string | number, V> {
  size = 0
  #chunks: Array<Chunk<K, V>> = []

  #find (key: K): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const last = this.#chunks[middle]?.keys.at(-1)
      if (last !== undefined && last < key) low = middle + 1
      else high = middle
    }
    return low
  }

  get (key: K): V | undefined {
    const chunk = this.#chunks[this.#find(key)]
    if (chunk === undefined) return undefined
    const at = lowerBound(chunk.keys, key)
    return chunk.keys[at] === key ? chunk.values[at] : undefined
  }

  set (key: K, value: V): void {
    const last = this.#chunks.at(-1)
    const end = last?.keys.at(-1)
    if (last === undefined || end === undefined || end < key) {
      if (last === undefined || last.keys.length >= CHUNK) this.#chunks.push({ keys: [key], values: [value] })
      else {
        last.keys.push(key)
        last.values.push(value)
      }
      this.size++
      return
    }
    const index = this.#find(key)
    const chunk = this.#chunks[index]
    if (chunk === undefined) return
    const at = lowerBound(chunk.keys, key)
    if (chunk.keys[at] === key) {
      chunk.values[at] = value
      return
    }
    chunk.keys.splice(at, 0, key)
    chunk.values.splice(at, 0, value)
    this.size++
    if (chunk.keys.length > 2 * CHUNK) {
      this.#chunks.splice(index + 1, 0, { keys: chunk.keys.splice(CHUNK), values: chunk.values.splice(CHUNK) })
    }
  }

  delete (key: K): boolean {
    const index = this.#find(key)
    const chunk = this.#chunks[index]
    if (chunk === undefined) return false
    const at = lowerBound(chunk.keys, key)
    if (chunk.keys[at] !== key) return false
    chunk.keys.splice(at, 1)
    chunk.values.splice(at, 1)
    this.size--
    if (chunk.keys.length === 0) this.#chunks.splice(index, 1)
    return true
  }

  clear (): void {
    this.#chunks = []
    this.size = 0
  }

  /** The entry with the smallest key. */
  first (): [K, V] | undefined {
    const step = this.from().next()
    return step.done === true ? undefined : step.value
  }

  /** Entries in ascending order from the key given, or all. Stop before changing the map. */
  * from (key?: K): Generator<[K, V], undefined> {
    const start = key === undefined ? 0 : this.#find(key)
    for (let c = start; c < this.#chunks.length; c++) {
      const chunk = this.#chunks[c]
      if (chunk === undefined) return
      for (let i = key !== undefined && c === start ? lowerBound(chunk.keys, key) : 0; i < chunk.keys.length; i++) {
        const at = chunk.keys[i]
        const value = chunk.values[i]
        if (at !== undefined && value !== undefined) yield [at, value]
      }
    }
  }

  /** Entries in descending order, beginning below the key given, or all. Stop before changing the map. */
  * below (key?: K): Generator<[K, V], undefined> {
    const start = key === undefined ? this.#chunks.length - 1 : Math.min(this.#find(key), this.#chunks.length - 1)
    for (let c = start; c >= 0; c--) {
      const chunk = this.#chunks[c]
      if (chunk === undefined) return
      for (let i = (key !== undefined && c === start ? lowerBound(chunk.keys, key) : chunk.keys.length) - 1; i >= 0; i--) {
        const at = chunk.keys[i]
        const value = chunk.values[i]
        if (at !== undefined && value !== undefined) yield [at, value]
      }
    }
  }
}
