// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { DmaBuf } from '@iolayers/dma-buf'
import { createEventLoopScheduler, type EventLoopScheduler } from '@iolayers/kernel'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createStack, destroyStack, type Stack } from '../../../src/index.ts'
import { removeExactly } from '../../../src/observe/listen-unix.ts'
import { CLIENTS_MAX, createObserver, type Observer } from '../../../src/observe/observer.ts'
import type { IterRequest } from '../../../src/observe/protocol.ts'
import { readFromSocket } from '../../../src/observe/read-from-socket.ts'
import { useTempDir } from '../../temp-dir.ts'

const dir = useTempDir()
const DMABUF: IterRequest = { iter: 'dmabuf', format: 'text', readSizeBytes: 4096 }
/** So many that their listing is larger than what a socket holds. */
const MANY = 40_000

async function read(path: string, request: IterRequest = DMABUF): Promise<string> {
  const chunks: Uint8Array[] = []
  await readFromSocket(path, request, async (bytes) => {
    chunks.push(bytes)
  })
  return Buffer.concat(chunks).toString('utf8')
}

async function until(what: string, check: () => boolean): Promise<void> {
  for (let turns = 0; !check(); turns++) {
    if (turns > 100_000) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A connection that has sent something, and reads only what it is asked to. */
function client(path: string, text: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true })
    socket.pause()
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => undefined)
      socket.write(text, () => resolve(socket))
    })
  })
}

async function restOf(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += chunk
  return text
}

describe('an observer', () => {
  let scheduler: EventLoopScheduler
  let stack: Stack
  let buffers: DmaBuf[]
  let observer: Observer
  let path: string

  function exportBuffers(count: number): void {
    const ops = {
      mapDmaBuf: () => {
        throw new Error('not mapped here')
      },
      unmapDmaBuf: () => undefined,
      release: () => undefined,
    }
    for (let i = 0; i < count; i++) {
      const info = { ops, sizeBytes: 4096, exporterName: 'system', name: `buffer-${i}` }
      buffers.push(stack.dmaBufs.export(info))
    }
  }

  function expected(): string {
    return buffers
      .map(({ inode, name }) => `${inode}\n4096\n${name}\nsystem\n`)
      .reverse()
      .join('')
  }

  beforeEach(async () => {
    scheduler = createEventLoopScheduler()
    stack = createStack(scheduler, {
      ramBytes: 4096,
      iommu: 'strict',
      backing: 'plain',
      queueMemoryBytes: 4096,
    })
    buffers = []
    path = dir('s')
    observer = await createObserver(path)
  })

  afterEach(async () => {
    await scheduler.run('detach', observer.detach())
    observer.close()
    observer.close()
    expect(existsSync(path)).toBe(false)
    expect(readdirSync(dir.path).filter((name) => name.includes('dead'))).toEqual([])
    expect(stack.iterators.open).toBe(0)
    expect(buffers.every(({ references }) => references === 1)).toBe(true)
    for (const buffer of buffers) buffer.put()
    await scheduler.run('destroy', destroyStack(stack))
    expect(scheduler.outstanding()).toEqual([])
  })

  it('R-ITER-1: gives the whole listing in reads of any size, to any number at once', async () => {
    exportBuffers(300)
    observer.attach(stack)
    const sizes = [1, 5, 4096, 1_048_576]
    const texts = await Promise.all(
      sizes.map((readSizeBytes) => read(path, { ...DMABUF, readSizeBytes })),
    )
    for (const text of texts) expect(text).toBe(expected())
  })

  it('lets those who come before the stack is there wait for it', async () => {
    exportBuffers(3)
    const early = read(path)
    const gone = await client(path, '{"version":1,"iter":"dmabuf"}\n')
    gone.destroy()
    await until('both have come', () => gone.destroyed)
    observer.attach(stack)
    expect(await early).toBe(expected())
  })

  it('has mode 0600 from its first moment, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      const making = createObserver(dir('t'))
      // Bound, and nothing else has run yet.
      expect(lstatSync(dir('t')).mode & 0o777).toBe(0o600)
      const other = await making
      expect(process.umask()).toBe(0)
      other.close()
      expect(existsSync(dir('t'))).toBe(false)
    } finally {
      process.umask(before)
    }
  })

  it('a client that does not read stops its iterator, and nothing else; when it reads on, nothing is missing', async () => {
    exportBuffers(MANY)
    const { dmaBufs } = stack
    const next = dmaBufs.next.bind(dmaBufs)
    let calls = 0
    dmaBufs.next = (current) => {
      calls++
      return next(current)
    }
    observer.attach(stack)
    const slow = await client(path, '{"version":1,"iter":"dmabuf"}\n')
    await until(
      'the socket is full',
      stalls(() => calls),
    )
    expect(calls).toBeLessThan(MANY)
    expect(stack.iterators.open).toBe(1)
    expect(await read(path)).toBe(expected())
    const answer = await restOf(slow)
    expect(answer.endsWith('end\n')).toBe(true)
    expect(answer.replaceAll(/data \d+\n/g, '').length).toBe(expected().length + 'end\n'.length)
    slow.destroy()
  })

  it('R-ITER-4: a client that goes away in the middle leaves no reference', async () => {
    exportBuffers(MANY)
    observer.attach(stack)
    const slow = await client(path, '{"version":1,"iter":"dmabuf"}\n')
    await until('it is served', () => stack.iterators.open === 1)
    slow.destroy()
    await until('its iterator is closed', () => stack.iterators.open === 0)
  })

  it('cuts off who still reads when the copy ends, and they can tell', async () => {
    exportBuffers(MANY)
    observer.attach(stack)
    const slow = await client(path, '{"version":1,"iter":"dmabuf"}\n')
    await until('it is served', () => stack.iterators.open === 1)
    const quick = read(path, { ...DMABUF, readSizeBytes: 1 })
    const cut = expect(quick).rejects.toMatchObject({
      code: 'ECONNRESET',
      message: `the copy at ${path} ended before the listing did`,
    })
    await until('both are served', () => stack.iterators.open === 2)
    await scheduler.run('detach', observer.detach())
    expect(stack.iterators.open).toBe(0)
    await cut
    slow.destroy()
    await expect(read(path)).rejects.toMatchObject({ code: 'ESHUTDOWN' })
  })

  it(`tells the client after the ${CLIENTS_MAX}th to try again`, async () => {
    exportBuffers(1)
    observer.attach(stack)
    const sockets = await Promise.all(Array.from({ length: CLIENTS_MAX }, () => client(path, '')))
    await expect(read(path)).rejects.toMatchObject({
      code: 'EAGAIN',
      message: '64 clients are being served; try again',
    })
    for (const socket of sockets) socket.destroy()
    // The server learns of it in its own time.
    let text: string | undefined
    while (text === undefined) text = await read(path).catch(retryable)
    expect(text).toBe(expected())
  })

  it.each([
    ['an iterator that is not there', '{"version":1,"iter":"nothing"}\n', 'EINVAL'],
    ['something else', 'what is this\n', 'EINVAL'],
    ['no end of a line', 'x'.repeat(5000), 'EMSGSIZE'],
    [
      'a long line',
      `${JSON.stringify({ version: 1, iter: 'dmabuf', more: 'x'.repeat(5000) })}\n`,
      'EMSGSIZE',
    ],
  ])('answers %s with why, and hangs up', async (_what, text, code) => {
    observer.attach(stack)
    const answer = await restOf(await client(path, text))
    expect(answer.startsWith(`error {"code":"${code}"`)).toBe(true)
    expect(answer.endsWith('}\n')).toBe(true)
  })

  it('answers half a request, and one that is only hung up on', async () => {
    observer.attach(stack)
    const socket = await client(path, '{"version":1')
    socket.end()
    expect(await restOf(socket)).toContain('the request ended before its line did')
  })

  it('lets a client go that says nothing for ten seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const socket = await client(path, '')
      const answer = restOf(socket)
      let answered = false
      socket.once('data', () => {
        answered = true
      })
      await until('it is answered', () => {
        vi.advanceTimersByTime(10_000)
        return answered
      })
      expect(await answer).toContain('error {"code":"ETIMEDOUT"')
    } finally {
      vi.useRealTimers()
    }
  })

  it('serves a client that has ended its side', async () => {
    exportBuffers(2)
    observer.attach(stack)
    const socket = await client(path, '{"version":1,"iter":"dmabuf"}\nand more')
    socket.end()
    expect(await restOf(socket)).toBe(`data ${expected().length}\n${expected()}end\n`)
  })

  it('an iterator that fails tells its error, and another one goes on', async () => {
    exportBuffers(1)
    observer.attach(stack)
    const { dmaBufs } = stack
    const begin = dmaBufs.begin
    dmaBufs.begin = () => {
      throw new Error('a fault')
    }
    await expect(read(path)).rejects.toMatchObject({ code: 'EFAULT' })
    dmaBufs.begin = begin
    expect(await read(path)).toBe(expected())
  })
})

function retryable(error: unknown): undefined {
  expect(error).toMatchObject({ code: 'EAGAIN' })
}

/** True once a number has not moved for many turns. */
function stalls(value: () => number): () => boolean {
  let last = -1
  let still = 0
  return () => {
    still = value() === last ? still + 1 : 0
    last = value()
    return still > 2000
  }
}

describe('the socket of an observer', () => {
  it('is refused where something else is, which stays', async () => {
    writeFileSync(dir('file'), 'mine')
    mkdirSync(dir('folder'))
    symlinkSync(dir('nowhere'), dir('link'))
    for (const name of ['file', 'folder', 'link']) {
      await expect(createObserver(dir(name))).rejects.toMatchObject({
        code: 'EEXIST',
        message: `${dir(name)} exists and is not a socket; name another path`,
      })
    }
    expect(readdirSync(dir.path).sort()).toEqual(['file', 'folder', 'link'])
  })

  it('is refused where somebody listens, who goes on', async () => {
    const first = await createObserver(dir('s'))
    await expect(createObserver(dir('s'))).rejects.toMatchObject({
      code: 'EBUSY',
      message: `a process listens at ${dir('s')} already; name another path`,
    })
    const socket = await client(dir('s'), '')
    socket.destroy()
    first.close()
    expect(readdirSync(dir.path)).toEqual([])
  })

  it('takes away the dead socket that it looked at, and no other file', async () => {
    const dead = lstatSync(dir.path)
    removeExactly(dir('gone'), dead)
    writeFileSync(dir('new'), 'of somebody else')
    removeExactly(dir('new'), dead)
    expect(readdirSync(dir.path)).toEqual(['new'])
    removeExactly(dir('new'), lstatSync(dir('new')))
    expect(readdirSync(dir.path)).toEqual([])
  })

  it('tells what the system says of a place where none can be', async () => {
    writeFileSync(dir('file'), '')
    await expect(createObserver(dir('file/socket'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  it.each([
    ['a path that is too long', 'x'.repeat(110), 'ENAMETOOLONG'],
    ['a directory that is not there', 'no/where', 'ENOENT'],
  ])('%s is refused', async (_what, name, code) => {
    await expect(createObserver(dir(name))).rejects.toMatchObject({ code })
    await expect(createObserver('')).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
    expect(readdirSync(dir.path)).toEqual([])
  })

  it('may have a path as long as a socket can have', async () => {
    const longest = dir('x').padEnd(process.platform === 'linux' ? 107 : 103, 'x')
    const observer = await createObserver(longest)
    expect(lstatSync(longest).isSocket()).toBe(true)
    observer.close()
    expect(readdirSync(dir.path)).toEqual([])
  })
})

describe('reading from a socket', () => {
  const servers: Server[] = []

  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  /** Answers each connection with these bytes, and hangs up. */
  async function answering(bytes: string): Promise<string> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(bytes))
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(dir('s'), () => resolve()))
    return dir('s')
  }

  it('no socket, no listener, something else: each has its own words', async () => {
    await expect(read(dir('none'))).rejects.toMatchObject({
      code: 'ENOENT',
      message: `nothing listens at ${dir('none')}: there is no such socket; iolayers copy SRC DST --observe ${dir('none')} makes one`,
    })
    writeFileSync(dir('file'), '')
    await expect(read(dir('file'))).rejects.toMatchObject({ code: 'ENOTSOCK' })
    await expect(read('x'.repeat(200))).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
  })

  it.each([
    ['no answer', '', 'ECONNRESET'],
    ['half of a read', 'data 10\nabc', 'ECONNRESET'],
    ['no end', 'data 3\nabc', 'ECONNRESET'],
    ['another protocol', 'data 3\nabcHTTP/1.1 400\n', 'EPROTO'],
    ['a line without end', `error ${'x'.repeat(70_000)}`, 'EPROTO'],
    ['an error', 'error {"code":"E2BIG","message":"too big"}\n', 'E2BIG'],
  ])('%s is an error', async (_what, answer, code) => {
    await expect(read(await answering(answer))).rejects.toMatchObject({ code })
  })

  it('what comes after the end does not matter', async () => {
    expect(await read(await answering('data 3\nabcend\nmore'))).toBe('abc')
  })
})
