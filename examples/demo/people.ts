import { Schema, type Connection, type Model } from 'mongoose'

/** Somebody the app knows: the demo's partners. */
export interface Person {
  name: string
  email: string
}

export type People = Model<Person>

const people: readonly Person[] = [
  { name: 'Ann Archer', email: 'ann@example.com' },
  { name: 'Ben Baker', email: 'ben@example.com' },
  { name: 'Night shift', email: 'night-shift@example.com' }
]

/** The app's own collection, on the app's own connection. */
export async function createPeople (connection: Connection): Promise<People> {
  const model = connection.model<Person>('Person', new Schema<Person>({
    name: { type: String, required: true },
    email: { type: String, required: true, unique: true }
  }), 'people')
  await model.init()
  await model.insertMany(people)
  return model
}
