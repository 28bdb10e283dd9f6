import { Schema, type Connection, type Model, type Types } from 'mongoose'
import type { People } from './people.js'

/** What somebody has ordered. */
export interface Order {
  item: string
  price: number
  buyer: Types.ObjectId
}

export type Orders = Model<Order>

const orders: ReadonlyArray<readonly [buyer: string, item: string, price: number]> = [
  ['ann@example.com', 'Bow', 120],
  ['ann@example.com', 'Twelve arrows', 36],
  ['ben@example.com', 'Rye loaf', 4]
]

/** The app's own collection: an order refers to whoever buys. */
export async function createOrders (connection: Connection, people: People): Promise<Orders> {
  const model = connection.model<Order>('Order', new Schema<Order>({
    item: { type: String, required: true },
    price: { type: Number, required: true },
    buyer: { type: Schema.Types.ObjectId, ref: 'Person', required: true }
  }), 'orders')
  for (const [email, item, price] of orders) {
    const buyer = await people.findOne({ email }).orFail()
    await model.create({ item, price, buyer: buyer._id })
  }
  return model
}
