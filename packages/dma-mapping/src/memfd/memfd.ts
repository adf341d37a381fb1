// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  assert,
  File,
  type Kernel,
  KernelError,
  Mutex,
  type Op,
  OpenFlags,
  sleep,
} from '@iolayers/kernel'
import { PAGE_SIZE } from '../constants.ts'
import type { PhysicalMemory } from '../memory/physical-memory.ts'
import {
  type Memfd,
  MemfdFlags,
  type MemfdMapping,
  type MemfdPin,
  MemfdSeals,
  memfdFile,
} from './memfd-contract.ts'
import { MemfdPages } from './memfd-pages.ts'

const { F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_EXEC } =
  MemfdSeals
const ANY_WRITE = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
const ALL_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | ANY_WRITE | F_SEAL_EXEC
const ALL_FLAGS = Object.values(MemfdFlags).reduce((all, flag) => all | flag, 0)
/** @see mm/memfd.c MFD_NAME_MAX_LEN: NAME_MAX without the prefix */
const NAME_BYTES_MAX = 249
/** How long `F_SEAL_WRITE` waits for pins, before its second look and on. @see mm/memfd.c memfd_wait_for_pins, LAST_SCAN */
const PIN_WAITS_NS = [10_000_000, 20_000_000, 40_000_000, 80_000_000] as const

export interface MemfdInit {
  /** Bits of {@link MemfdFlags}; without MFD_ALLOW_SEALING or MFD_NOEXEC_SEAL the file is sealed against seals. */
  readonly flags?: number
}

class MemfdImpl implements Memfd {
  readonly file: File
  readonly #kernel: Kernel
  readonly #memory: PhysicalMemory
  readonly #pages: MemfdPages
  readonly #inodeLock: Mutex
  #sizeBytes = 0
  #seals: number
  readonly #executable: boolean
  #writableMappings = 0

  constructor(components: { kernel: Kernel; memory: PhysicalMemory }, name: string, flags: number) {
    this.#kernel = components.kernel
    this.#memory = components.memory
    this.#pages = new MemfdPages(components.memory)
    this.#inodeLock = new Mutex(components.kernel.scheduler, 'inode of a memory file')
    this.#executable = (flags & MemfdFlags.MFD_NOEXEC_SEAL) === 0
    this.#seals = initialSeals(flags)
    this.file = new File(
      components.kernel,
      {
        release: () => this.#pages.remove(0, Number.POSITIVE_INFINITY),
        query: (ability) => ability.answer(memfdFile, this),
        read: (file, target, offset, length) => this.#readFile(file, target, offset, length),
      },
      { name: `memfd:${name}`, flags: OpenFlags.O_RDWR },
    )
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get pages(): number {
    return this.#pages.count
  }

  read(target: Uint8Array, offsetBytes: number): number {
    checkOffset(offsetBytes)
    const length = Math.max(0, Math.min(target.length, this.#sizeBytes - offsetBytes))
    for (let done = 0; done < length; ) {
      const at = offsetBytes + done
      const count = Math.min(length - done, PAGE_SIZE - (at % PAGE_SIZE))
      const addr = this.#pages.addrAt(Math.floor(at / PAGE_SIZE))
      const part = target.subarray(done, done + count)
      if (addr < 0) part.fill(0)
      else this.#memory.read(addr + (at % PAGE_SIZE), part)
      done += count
    }
    return length
  }

  *write(source: Uint8Array, offsetBytes: number): Op<number> {
    checkOffset(offsetBytes)
    this.#checkWritable('EBADF')
    return yield* this.#locked(() => this.#write(source, offsetBytes))
  }

  *truncate(sizeBytes: number): Op<void> {
    checkOffset(sizeBytes)
    this.#checkWritable('EINVAL')
    yield* this.#locked(() => {
      const seal = sizeBytes < this.#sizeBytes ? F_SEAL_SHRINK : F_SEAL_GROW
      if (sizeBytes !== this.#sizeBytes) this.#refuseSealed(seal, `a size of ${sizeBytes}`)
      if (sizeBytes < this.#sizeBytes) this.#clear(sizeBytes, this.#sizeBytes)
      this.#sizeBytes = sizeBytes
    })
  }

  *punchHole(offsetBytes: number, lengthBytes: number): Op<void> {
    checkOffset(offsetBytes)
    checkRange(lengthBytes > 0, 'length of a hole', lengthBytes, 'a positive number of bytes')
    this.#checkWritable('EBADF')
    yield* this.#locked(() => {
      this.#refuseSealed(ANY_WRITE, 'a hole')
      this.#clear(offsetBytes, Math.min(offsetBytes + lengthBytes, this.#sizeBytes))
    })
  }

  getSeals(): number {
    return this.#seals
  }

  *addSeals(seals: number): Op<void> {
    this.#checkWritable('EPERM')
    const known = Number.isInteger(seals) && (seals & ~ALL_SEALS) === 0
    checkRange(known, 'seals of a memory file', seals, `bits of ${ALL_SEALS}`)
    yield* this.#inodeLock.lock()
    try {
      this.#refuseSealed(F_SEAL_SEAL, 'more seals')
      // What cannot be made executable any more must not be written either.
      const implied = F_SEAL_SHRINK | F_SEAL_GROW | ANY_WRITE
      const all = (seals & F_SEAL_EXEC) !== 0 && this.#executable ? seals | implied : seals
      if ((all & F_SEAL_WRITE) !== 0 && (this.#seals & F_SEAL_WRITE) === 0) {
        yield* this.#waitForWriters()
      }
      this.#seals |= all
    } finally {
      this.#inodeLock.unlock()
    }
  }

  *pin(offsetBytes: number, lengthBytes: number, allow?: (seals: number) => void): Op<MemfdPin> {
    return yield* this.#locked(() => {
      allow?.(this.#seals)
      this.#checkPages(offsetBytes, lengthBytes)
      checkRange(
        offsetBytes + lengthBytes <= this.#sizeBytes,
        'end of a pinned range of a memory file',
        offsetBytes + lengthBytes,
        `up to ${this.#sizeBytes}`,
      )
      const pages = this.#pages.pin(offsetBytes / PAGE_SIZE, lengthBytes / PAGE_SIZE)
      let pinned = true
      return {
        frames: pages.map((page) => page.frame),
        unpin: () => {
          assert(pinned, 'pages of a memory file were unpinned twice')
          pinned = false
          this.#pages.unpin(pages)
        },
      }
    })
  }

  mmap(offsetBytes: number, lengthBytes: number, access: 'read' | 'write'): MemfdMapping {
    const write = access === 'write'
    if (write) this.#checkWritable('EACCES')
    this.#checkPages(offsetBytes, lengthBytes)
    if (write) this.#refuseSealed(ANY_WRITE, 'a writable mapping')
    this.file.get()
    if (write) this.#writableMappings++
    let mapped = true
    return {
      offsetBytes,
      lengthBytes,
      write,
      segments: () => {
        assert(mapped, 'a mapping of a memory file was used after munmap')
        return this.#views(offsetBytes, lengthBytes)
      },
      munmap: () => {
        assert(mapped, 'a mapping of a memory file was unmapped twice')
        mapped = false
        if (write) this.#writableMappings--
        this.file.put()
      },
    }
  }

  *#locked<T>(body: () => T): Op<T> {
    yield* this.#inodeLock.lock()
    try {
      return body()
    } finally {
      this.#inodeLock.unlock()
    }
  }

  *#readFile(file: File, target: Uint8Array, offset: number, length: number): Op<number> {
    const count = this.read(target.subarray(offset, offset + length), file.posBytes)
    file.posBytes += count
    return count
  }

  #write(source: Uint8Array, offsetBytes: number): number {
    let done = 0
    try {
      while (done < source.length) {
        const at = offsetBytes + done
        const count = Math.min(source.length - done, PAGE_SIZE - (at % PAGE_SIZE))
        this.#refuseSealed(ANY_WRITE, 'a write')
        if (at + count > this.#sizeBytes) this.#refuseSealed(F_SEAL_GROW, `a write past the end`)
        const addr = this.#pages.makeAddrAt(Math.floor(at / PAGE_SIZE))
        this.#memory.write(addr + (at % PAGE_SIZE), source.subarray(done, done + count))
        done += count
        this.#sizeBytes = Math.max(this.#sizeBytes, at + count)
      }
    } catch (error) {
      if (done === 0 || !(error instanceof KernelError)) throw error
    }
    return done
  }

  /** Frees the whole pages of a range and zeroes the bytes of others. */
  #clear(start: number, end: number): void {
    if (start >= end) return
    const firstWhole = Math.ceil(start / PAGE_SIZE)
    // Behind the end of the file nothing is left to keep.
    const endWhole =
      end >= this.#sizeBytes ? Math.ceil(end / PAGE_SIZE) : Math.floor(end / PAGE_SIZE)
    this.#pages.remove(firstWhole, endWhole)
    if (start % PAGE_SIZE !== 0) this.#zero(start, Math.min(end, firstWhole * PAGE_SIZE))
    if (endWhole >= firstWhole) this.#zero(Math.max(start, endWhole * PAGE_SIZE), end)
  }

  /** Zeroes bytes within one page, if the file has it. */
  #zero(start: number, end: number): void {
    const addr = this.#pages.addrAt(Math.floor(start / PAGE_SIZE))
    if (addr >= 0 && start < end) {
      this.#memory.write(addr + (start % PAGE_SIZE), new Uint8Array(end - start))
    }
  }

  /** @see mm/memfd.c mapping_deny_writable, memfd_wait_for_pins */
  *#waitForWriters(): Op<void> {
    if (this.#writableMappings > 0) {
      throw new KernelError('EBUSY', `${this.file.name} has writable mappings`, {
        value: this.#writableMappings,
        accepted: 'none',
      })
    }
    const tagged = this.#pages.pinned()
    for (const waitNs of PIN_WAITS_NS) {
      for (const page of tagged) if (!this.#pages.isPinned(page)) tagged.delete(page)
      if (tagged.size === 0) return
      yield* sleep(this.#kernel.scheduler, waitNs)
    }
    for (const page of tagged) {
      if (!this.#pages.isPinned(page)) continue
      throw new KernelError('EBUSY', `${this.file.name} has pinned pages`)
    }
  }

  #views(offsetBytes: number, lengthBytes: number): Uint8Array[] {
    const views: Uint8Array[] = []
    for (let at = offsetBytes; at < offsetBytes + lengthBytes; at += PAGE_SIZE) {
      if (at >= this.#sizeBytes) {
        throw new KernelError('EFAULT', `${this.file.name} ends before its mapping`, {
          value: at,
          accepted: `below ${this.#sizeBytes}`,
        })
      }
      const addr = this.#pages.makeAddrAt(at / PAGE_SIZE)
      const region = this.#memory.regionAt(addr)
      assert(region !== null, 'a page of a memory file lies in no region')
      views.push(region.bytes.subarray(addr - region.baseAddr, addr - region.baseAddr + PAGE_SIZE))
    }
    return views
  }

  #checkWritable(code: 'EBADF' | 'EINVAL' | 'EPERM' | 'EACCES'): void {
    if ((this.file.flags & OpenFlags.O_ACCMODE) !== OpenFlags.O_RDONLY) return
    throw new KernelError(code, `${this.file.name} is open for reading only`)
  }

  #checkPages(offsetBytes: number, lengthBytes: number): void {
    checkOffset(offsetBytes)
    const whole = offsetBytes % PAGE_SIZE === 0 && lengthBytes % PAGE_SIZE === 0
    const accepted = `whole pages of ${PAGE_SIZE} bytes, at least one`
    checkRange(
      whole && lengthBytes > 0,
      'range of a memory file',
      `${offsetBytes}+${lengthBytes}`,
      accepted,
    )
  }

  #refuseSealed(seal: number, what: string): void {
    if ((this.#seals & seal) === 0) return
    throw new KernelError('EPERM', `${this.file.name} is sealed against ${what}`, {
      value: this.#seals,
    })
  }
}

/** @see mm/memfd.c memfd_create */
function initialSeals(flags: number): number {
  if ((flags & MemfdFlags.MFD_NOEXEC_SEAL) !== 0) return F_SEAL_EXEC
  return (flags & MemfdFlags.MFD_ALLOW_SEALING) === 0 ? F_SEAL_SEAL : 0
}

function checkOffset(value: number): void {
  const fits = Number.isSafeInteger(value) && value >= 0
  checkRange(fits, 'offset or size in a memory file', value, 'a whole number of bytes')
}

function checkRange(condition: boolean, what: string, value: unknown, accepted: string): void {
  if (!condition) throw new KernelError('EINVAL', what, { value, accepted })
}

/**
 * A memory file, empty. Throws EINVAL for unknown flags (there are no huge pages here), for both MFD_EXEC and MFD_NOEXEC_SEAL, and for a name of more than 249 characters.
 *
 * @see mm/memfd.c memfd_create
 */
export function createMemfd(
  components: { kernel: Kernel; memory: PhysicalMemory },
  name: string,
  init: MemfdInit = {},
): Memfd {
  const flags = init.flags ?? 0
  const both = MemfdFlags.MFD_EXEC | MemfdFlags.MFD_NOEXEC_SEAL
  const known = Number.isInteger(flags) && (flags & ~ALL_FLAGS) === 0 && (flags & both) !== both
  checkRange(known, 'flags of a memory file', flags, `bits of ${ALL_FLAGS}`)
  checkRange(
    name.length <= NAME_BYTES_MAX,
    'length of the name of a memory file',
    name.length,
    `at most ${NAME_BYTES_MAX}`,
  )
  return new MemfdImpl(components, name, flags)
}
