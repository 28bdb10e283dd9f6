/** One line of the demo's check: passes unless it throws. */
export interface Step {
  readonly name: string
  readonly run: () => Promise<void>
}
