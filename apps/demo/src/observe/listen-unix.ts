// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A Unix socket at a path of the user's: for this user alone from its first moment, never over something that is in use.

import { existsSync, linkSync, lstatSync, renameSync, type Stats, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { KernelError } from '@iolayers/kernel'
import { isSystemError } from '../cli/failure.ts'

/** Bytes of a path, without the zero at its end. @see unix(7) sun_path */
const PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103
const ATTEMPTS_MAX = 8
/** Between its bind and its listen a socket refuses connections, as a dead one does. */
const SECOND_LOOK_MS = 50
/** What is taken away from the mode of a new socket: it is 0600. */
const PRIVATE_UMASK = 0o177

/**
 * Makes a server listen at `path`, with mode 0600. A socket that nobody listens at any more is replaced, if it is this user's.
 *
 * Errors: ENAMETOOLONG, ENOENT for the directory, EEXIST for what is no socket, EPERM for another user's, EBUSY where somebody listens, and what the file system says.
 *
 * @param make a server that does not listen yet; called once for each attempt
 */
export async function listenUnix(path: string, make: () => Server): Promise<Server> {
  checkLength(path)
  if (!existsSync(dirname(path))) {
    throw new KernelError('ENOENT', `${path}: the directory ${dirname(path)} does not exist`)
  }
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found !== undefined) await clearDead(path, found)
    const server = make()
    if (await tryListen(server, path)) return server
  }
  throw busy(path)
}

/** A path that is too long for a socket is cut off by some systems, and refused in strange words by others. */
export function checkLength(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes >= 1 && bytes <= PATH_BYTES_MAX) return
  throw new KernelError(
    'ENAMETOOLONG',
    `the socket ${path} has a path of ${bytes} bytes; it takes 1 to ${PATH_BYTES_MAX}`,
  )
}

/** False where something stands at the path by now. */
function tryListen(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (isSystemError(error) && error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    server.once('listening', () => resolve(true))
    // The socket is bound before `listen` returns, so no other file of this process is made under this umask.
    const umask = process.umask(PRIVATE_UMASK)
    try {
      server.listen({ path, exclusive: true })
    } finally {
      process.umask(umask)
    }
  })
}

async function clearDead(path: string, found: Stats): Promise<void> {
  if (!found.isSocket()) {
    throw new KernelError('EEXIST', `${path} exists and is not a socket; name another path`)
  }
  if (process.getuid !== undefined && found.uid !== process.getuid()) {
    throw new KernelError('EPERM', `${path} is the socket of another user; name another path`)
  }
  for (let look = 0; look < 2; look++) {
    if (look > 0) await delay(SECOND_LOOK_MS)
    const answer = await probe(path)
    if (answer === 'ENOENT') return
    if (answer !== 'ECONNREFUSED') throw busy(path)
  }
  removeExactly(path, found)
}

function busy(path: string): KernelError {
  return new KernelError('EBUSY', `a process listens at ${path} already; name another path`)
}

/** What connecting gives: the code of its error, or null. */
function probe(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(null)
    })
    socket.once('error', (error) => resolve(isSystemError(error) ? error.code : 'EIO'))
  })
}

/** Another process may have replaced the dead socket by its own since we looked: renaming takes one file, and tells which. */
export function removeExactly(path: string, dead: Stats): void {
  const aside = `${path}.${process.pid}.dead`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return
    throw error
  }
  const taken = lstatSync(aside)
  if (taken.ino !== dead.ino || taken.dev !== dead.dev) putBack(aside, path)
  unlinkSync(aside)
}

function putBack(aside: string, path: string): void {
  try {
    linkSync(aside, path)
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EEXIST') throw error
  }
}

/** Ends listening. Closing a server removes its file, before this returns. Clients that are connected stay so. Idempotent. */
export function closeUnix(server: Server): void {
  if (!server.listening) return
  server.close()
}
