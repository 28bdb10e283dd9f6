import { deepEqual, equal, rejects } from 'node:assert/strict'
import { signToken } from 'fastify-docuware-auth/testing'
import type { Demo } from '../demo.js'
import { call } from './answer.js'
import type { Step } from './step.js'

const url = '/auth_jwt_demo/stored/whoami'

/** A validator's life at run time. It ends as it began: the validator is there. */
export function storedValidatorSteps (demo: Demo): Step[] {
  const { app: { jwtValidators }, stored } = demo
  const partnersToken = signToken({ iss: stored.issuer, aud: 'auth_jwt_test_api', sub: 'ben', email: 'ben@example.com' }, { secret: stored.secretKey ?? '' })
  const accepts = async () => {
    const { status, body } = await call(demo, url, { token: partnersToken })
    equal(status, 200)
    deepEqual(body, { uid: 'ben', name: 'Ben Baker', email: 'ben@example.com' })
  }
  const isUnknown = async () => {
    const { status, code } = await call(demo, url, { token: partnersToken })
    deepEqual([status, code], [500, 'DWA_JWT_VALIDATOR_NOT_FOUND'])
  }
  return [
    { name: 'a validator created at run time accepts its tokens', run: accepts },
    {
      name: 'what it refuses goes on to the next validator of its chain',
      async run () {
        const { status, body } = await call(demo, url, { token: demo.token() })
        equal(status, 200)
        deepEqual(body, { uid: '1', name: 'Ann Archer', email: 'ann@example.com' })
      }
    },
    {
      name: 'what the whole chain refuses is answered with every validator\'s code',
      async run () {
        const { status, code, body } = await call(demo, url, { token: 'not.a.token' })
        deepEqual([status, code], [401, 'DWA_JWT_COMPOSITE'])
        deepEqual(typeof body === 'object' && body !== null && 'errors' in body ? body.errors : null, [
          { validator: 'demo_stored', code: 'DWA_JWT_INVALID_TOKEN' },
          { validator: 'demo', code: 'DWA_JWT_INVALID_TOKEN' }
        ])
      }
    },
    {
      name: 'its secret is never shown',
      async run () {
        const shown = JSON.stringify(await jwtValidators.list())
        equal(shown.includes(stored.secretKey ?? ''), false)
      }
    },
    {
      name: 'renamed, it no longer serves the old name: 500, never a pass',
      async run () {
        await jwtValidators.update('demo_stored', { name: 'demo_renamed' })
        await isUnknown()
      }
    },
    {
      name: 'renamed back, it serves again',
      async run () {
        await jwtValidators.update('demo_renamed', { name: 'demo_stored' })
        await accepts()
      }
    },
    {
      name: 'deleted, it is unknown: 500, never a pass',
      async run () {
        await jwtValidators.remove('demo_stored')
        await isUnknown()
      }
    },
    {
      name: 'created again, it serves again',
      async run () {
        await jwtValidators.create(stored)
        await accepts()
      }
    },
    {
      name: 'a validator declared in code cannot be changed at run time',
      async run () {
        await rejects(jwtValidators.remove('demo'), { code: 'DWA_JWT_READ_ONLY_VALIDATOR' })
      }
    }
  ]
}
