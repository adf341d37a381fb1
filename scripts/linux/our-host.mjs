// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The other way round: our host, outside, at the target of the guest's kernel.
import { execFile, spawn } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { createReadStream, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { root } from '../lib/workspace.mjs'

export const GUEST_NQN = 'nqn.2026-11.org.iolayers:guest'
const IMAGE_BYTES = 256 << 20
const COPY_TIMEOUT_MS = 240_000

function iolayers(...args) {
  const cli = join(root, 'apps/demo/dist/cli.js')
  return new Promise((resolve) => {
    const options = { timeout: COPY_TIMEOUT_MS, maxBuffer: 1 << 24 }
    execFile(process.execPath, [cli, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code ?? -1), stdout, stderr }),
    )
  })
}

async function digestOf(path) {
  const hash = createHash('sha256')
  for await (const part of createReadStream(path)) hash.update(part)
  return hash.digest('hex')
}

/** Between a host and a target: cuts all connections once, when so many bytes have gone to the target. */
async function startCutter(port, afterBytes) {
  const sockets = new Set()
  let bytes = 0
  const state = { cuts: 0 }
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (part) => {
      bytes += part.length
      if (bytes < afterBytes || state.cuts > 0) return
      state.cuts++
      for (const socket of sockets) socket.destroy()
    })
    near.pipe(far)
    far.pipe(near)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    state,
    port: server.address().port,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Starts a copy that may be continued, and kills it once its journal tells of an extent. Gives whether it was killed in time. */
async function killCopy(source, target) {
  const cli = join(root, 'apps/demo/dist/cli.js')
  const slow = ['--block-size', '64K', '--queue-depth', '2']
  const args = [cli, 'copy', '--resume', '--quiet', ...slow, source, target]
  const child = spawn(process.execPath, args, { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.on('close', (_code, signal) => resolve(signal)))
  const journal = `${target}.journal`
  const timer = setInterval(() => {
    const lines = existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').length - 1 : 0
    if (lines > 1) child.kill('SIGKILL')
  }, 5)
  const signal = await ended
  clearInterval(timer)
  return signal === 'SIGKILL'
}

function wrong({ code, stderr, stdout }, what) {
  return `${what}: exit ${code}: ${stderr}${stdout}`
}

function address(port) {
  return `nvme+tcp://127.0.0.1:${port}/${GUEST_NQN}`
}

/** Says `pass` or `fail` of each check. The guest's target is at a port of this machine. */
export async function checkOurHost(port, dir, say) {
  const check = async (name, holds) => {
    try {
      const why = await holds()
      say(why === null, name, why ?? '')
    } catch (error) {
      say(false, name, String(error))
    }
  }
  const image = join(dir, 'image')
  const back = join(dir, 'back')
  const bytes = Buffer.alloc(IMAGE_BYTES)
  randomFillSync(bytes)
  writeFileSync(image, bytes)
  const digest = await digestOf(image)

  await check('our host: discovers the target of the kernel', async () => {
    const found = await iolayers(
      'nvme',
      'discover',
      '-a',
      '127.0.0.1',
      '-s',
      String(port),
      '--json',
    )
    return found.stdout.includes(GUEST_NQN) ? null : wrong(found, 'discover')
  })
  await check('our host: identifies it', async () => {
    const id = await iolayers('nvme', 'id-ctrl', address(port), '-o', 'json')
    if (id.code !== 0) return wrong(id, 'id-ctrl')
    return JSON.parse(id.stdout).subnqn === GUEST_NQN ? null : wrong(id, 'id-ctrl')
  })
  await check('our host: says that a subsystem is not there', async () => {
    const other = await iolayers('nvme', 'id-ctrl', `${address(port)}x`)
    const isSaid = other.code === 1 && /no such subsystem/.test(other.stderr)
    return isSaid ? null : wrong(other, 'id-ctrl')
  })
  await check('our host: reads a log', async () => {
    const log = await iolayers('nvme', 'smart-log', address(port), '-o', 'json')
    return log.code === 0 ? null : wrong(log, 'smart-log')
  })
  for (const digests of [[], ['--hdr-digest', '--data-digest']]) {
    const tag = digests.length === 0 ? '' : ' with digests'
    await check(`our host: copies 256 MiB to it${tag}`, async () => {
      const out = await iolayers('copy', image, address(port), ...digests, '--json')
      if (out.code !== 0) return wrong(out, 'copy')
      const { sha256 } = JSON.parse(out.stdout)
      return sha256.target === digest ? null : `the digest of the target is ${sha256.target}`
    })
    await check(`our host: and back${tag}`, async () => {
      rmSync(back, { force: true })
      const home = await iolayers(
        'copy',
        address(port),
        back,
        ...digests,
        '--verify',
        'source',
        '--json',
      )
      if (home.code !== 0) return wrong(home, 'copy')
      return (await digestOf(back)) === digest ? null : 'the digests differ'
    })
  }
  await check('our host: goes on when the connections are cut in the midst of a copy', async () => {
    const cutter = await startCutter(port, IMAGE_BYTES / 2)
    try {
      const out = await iolayers('copy', image, address(cutter.port), '--json')
      if (out.code !== 0) return wrong(out, 'copy')
      if (cutter.state.cuts !== 1) return 'nothing was cut'
      if (!out.stderr.includes('connected again')) return wrong(out, 'it was not connected again')
      return JSON.parse(out.stdout).sha256.target === digest ? null : 'the digests differ'
    } finally {
      await cutter.close()
    }
  })
  await check('our host: a copy that was killed is continued', async () => {
    rmSync(back, { force: true })
    if (!(await killCopy(address(port), back))) return 'the copy had ended before it was killed'
    if (existsSync(back)) return 'the target is there before it is whole'
    const rest = await iolayers('copy', address(port), back, '--resume', '--json')
    if (rest.code !== 0) return wrong(rest, 'copy')
    if (JSON.parse(rest.stdout).resumedBytes === 0) return wrong(rest, 'it began anew')
    return (await digestOf(back)) === digest ? null : 'the digests differ'
  })
}
