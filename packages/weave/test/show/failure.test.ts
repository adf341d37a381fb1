// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Pick } from '../../src/search/contracts.ts'
import {
  decodeFailure,
  encodeFailure,
  failureFromUrl,
  failureToUrl,
  type WeaveFailure,
} from '../../src/show/failure.ts'

const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })

const pick: fc.Arbitrary<Pick> = fc
  .record({
    actor: fc.oneof(fc.constant(''), fc.constantFrom('io worker', 'exporter#2'), name),
    at: fc.oneof(fc.constant(null), fc.constantFrom('looked up', 'published'), name),
  })
  .filter(({ actor, at }) => actor !== '' || at !== null)

const failure: fc.Arbitrary<WeaveFailure> = fc.record(
  {
    version: fc.constant(1 as const),
    hazard: name,
    design: fc.constantFrom('mutant' as const, 'ours' as const),
    policy: fc.constantFrom('fence' as const, 'drain' as const),
    check: name,
    script: fc.array(pick, { maxLength: 50 }),
  },
  { requiredKeys: ['version', 'hazard', 'design', 'check', 'script'] },
)

const SMALL: WeaveFailure = {
  version: 1,
  hazard: 'H2',
  design: 'mutant',
  policy: 'fence',
  check: 'use-after-free',
  script: [
    { actor: 'submitter', at: null },
    { actor: 'exporter', at: 'map looked up' },
    { actor: '', at: 'map looked up' },
  ],
}

/** What decoding says of a text with some fields changed. */
function saidOf(head: object, script: object): string {
  const fields: { script: object } = JSON.parse(encodeFailure(SMALL))
  const changed = { ...fields, script: { ...fields.script, ...script }, ...head }
  return said(() => decodeFailure(JSON.stringify(changed)))
}

function said(decode: () => unknown): string {
  try {
    decode()
  } catch (error) {
    expect(error).toBeInstanceOf(KernelError)
    expect(error).toMatchObject({ code: 'EINVAL' })
    return (error as KernelError).message
  }
  return 'accepted'
}

describe('a failure as JSON', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(failure, (given) => {
        expect(decodeFailure(encodeFailure(given))).toEqual(given)
        const url = failureToUrl(given)
        expect(url).toMatch(/^[A-Za-z0-9_-]*$/)
        expect(failureFromUrl(url)).toEqual(given)
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  it('names each actor and label once', () => {
    expect(encodeFailure(SMALL)).toBe(
      '{"version":1,"hazard":"H2","design":"mutant","policy":"fence","check":"use-after-free",' +
        '"script":{"actors":["submitter","exporter",""],"labels":["map looked up"],"picks":[0,4,5]}}',
    )
  })

  it('of 40 picks of 12 actors stays under 2 KB, in a URL too', () => {
    const script = Array.from({ length: 40 }, (_, i) => ({
      actor: `nvme queue worker ${i % 12}#2`,
      at: i % 3 === 0 ? `the map of segment ${i % 8} was looked up` : null,
    }))
    const long: WeaveFailure = { ...SMALL, script }
    expect(encodeFailure(long).length).toBeLessThan(2048)
    expect(failureToUrl(long).length).toBeLessThan(2048)
  })

  it.each<readonly [string, object, object]>([
    ['version', { version: 2 }, {}],
    ['version', { version: '1' }, {}],
    ['hazard', { hazard: '' }, {}],
    ['hazard', { hazard: 'H'.repeat(129) }, {}],
    ['design', { design: 'theirs' }, {}],
    ['policy', { policy: null }, {}],
    ['check', { check: ['leak'] }, {}],
    ['script', { script: [] }, {}],
    ['script', { script: null }, {}],
    ['script.actors', {}, { actors: 'A' }],
    ['script.actors', {}, { actors: Array(300).fill('A') }],
    ['script.actors[0]', {}, { actors: [7] }],
    ['script.labels[0]', {}, { labels: [''] }],
    ['script.picks', {}, { picks: undefined }],
    ['script.picks', {}, { picks: Array(5000).fill(0) }],
    ['script.picks[1]', {}, { picks: [0, 6] }],
    ['script.picks[0]', {}, { picks: [-3] }],
    ['script.picks[0]', {}, { picks: [0.5] }],
    ['script.picks[0]', {}, { picks: ['0'] }],
    ['script.picks[0]', {}, { picks: [2] }],
  ])('is refused where %s is wrong, by name', (field, head, script) => {
    expect(saidOf(head, script)).toContain(`${field} of a failure is wrong`)
  })

  it('is refused where there are picks and no actors', () => {
    expect(saidOf({}, { actors: [] })).toContain('script.picks[0]')
  })

  it('is refused where it is no JSON, no object, or too long', () => {
    expect(said(() => decodeFailure('{'))).toContain('no JSON')
    expect(said(() => decodeFailure('[]'))).toContain('the failure')
    expect(said(() => decodeFailure('7'))).toContain('the failure')
    expect(said(() => decodeFailure(' '.repeat(70_000)))).toContain('too long')
  })

  it('is refused where the URL holds no base64url of UTF-8', () => {
    for (const text of ['=', 'e30=', 'a b', 'A', 'eB', '_w', '7aCA', 'x'.repeat(200_000)]) {
      expect(said(() => failureFromUrl(text))).toContain('base64url')
    }
    expect(said(() => failureFromUrl(''))).toContain('no JSON')
    expect(said(() => failureFromUrl('e30'))).toContain('version')
  })

  it('says little of long things that are wrong', () => {
    const message = saidOf({ hazard: 'H'.repeat(10_000) }, {})
    expect(message.length).toBeLessThan(200)
  })

  it('never throws anything but EINVAL, whatever is read', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        said(() => decodeFailure(text))
        said(() => failureFromUrl(text))
      }),
      { seed: 2, numRuns: 300 },
    )
  })
})
