import Fastify from 'fastify'
import { describe, expect, test } from 'tstyche'
import docuwareAuth, { telemetry, type DocuwareAuthOptions, type Telemetry, type TelemetryView } from '../../index.js'

const app = Fastify()
const store = { uri: 'mongodb://127.0.0.1/app', secretKeys: ['…'] }

describe('telemetry', () => {
  test('takes no options, least of all a DSN', () => {
    expect(app.register).type.toBeCallableWith(telemetry)
    expect(app.register).type.toBeCallableWith(telemetry, {})
    expect(app.register).type.toBeCallableWith(docuwareAuth, { store, telemetry: {} })
    expect<DocuwareAuthOptions>().type.not.toBeAssignableFrom({ store, telemetry: { dsn: 'https://key@sentry.example/1' } })
  })

  test('settings are shown without the DSN, and changed one by one', () => {
    expect(app.telemetry).type.toBe<Telemetry>()
    expect(app.telemetry.get()).type.toBe<Promise<TelemetryView>>()
    expect<TelemetryView>().type.not.toHaveProperty('dsn')
    expect(app.telemetry.set).type.toBeCallableWith({ dsn: null })
    expect(app.telemetry.set).type.toBeCallableWith({ dsn: 'https://key@sentry.example/1', sendPii: true }, { actor: { type: 'user', id: 'u1' } })
    expect(app.telemetry.set).type.not.toBeCallableWith({ sendPii: 'yes' })
    expect(app.telemetry.set).type.not.toBeCallableWith({ sendPii: true }, { event: 'thing.created' })
  })

  test('anything thrown can be captured, with where it came from', () => {
    expect(app.telemetry.capture).type.toBeCallableWith(new Error('x'))
    expect(app.telemetry.capture).type.toBeCallableWith('x', { connection: { id: 'c1', name: 'acme', platformUrl: 'https://acme.docuware.cloud' }, sync: { durationMs: 12 }, user: { id: 'u1' }, ip: '::1' })
    expect(app.telemetry.capture).type.not.toBeCallableWith(new Error('x'), { connection: { name: 'no id' } })
  })
})
