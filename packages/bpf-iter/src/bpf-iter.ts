// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, KernelError } from '@iolayers/kernel'
import { type IterLink, Link, type LinkHost } from './iter-link.ts'
import type { IterProgram, IterTarget } from './iter-target.ts'

/** A target that programs can be attached to. @see kernel/bpf/bpf_iter.c struct bpf_iter_target_info */
export interface RegisteredTarget<T, L = void> {
  readonly name: string
  /**
   * Attaches a program, with the parameters of the target where it has any. Throws ENOENT once the target is unregistered, and what the
   * target refuses its parameters with.
   */
  attach(program: IterProgram<T>, linkInfo: L): IterLink<T>
  /** Links and open iterators stay usable. Idempotent. @see kernel/bpf/bpf_iter.c bpf_iter_unreg_target */
  unregister(): void
}

/**
 * The iterators of one stack. Names of targets, and numbers of links and sessions, are its own: two in one process share nothing.
 * @see kernel/bpf/bpf_iter.c
 */
export interface BpfIter {
  /** Throws EEXIST for a name that is taken. @see kernel/bpf/bpf_iter.c bpf_iter_reg_target */
  registerTarget<T, P, L = void, A = void>(target: IterTarget<T, P, L, A>): RegisteredTarget<T, L>
  readonly targetNames: readonly string[]
  /** Iterators open now. */
  readonly open: number
  /** Links attached now. */
  readonly links: number
}

/**
 * The targets of one stack, the links that programs have to them, and the iterators opened on those.
 * @see kernel/bpf/bpf_iter.c
 */
export function createBpfIter(components: { readonly kernel: Kernel }): BpfIter {
  return new BpfIterService(components.kernel)
}

class BpfIterService implements BpfIter, LinkHost {
  readonly kernel: Kernel
  readonly #names = new Set<string>()
  #sessionIds = 0
  #linkIds = 0
  open = 0
  links = 0

  constructor(kernel: Kernel) {
    this.kernel = kernel
  }

  get targetNames(): readonly string[] {
    return [...this.#names]
  }

  nextSessionId(): number {
    this.#sessionIds += 1
    return this.#sessionIds
  }

  opened(): void {
    this.open += 1
  }

  closed(): void {
    this.open -= 1
  }

  released(): void {
    this.links -= 1
  }

  registerTarget<T, P, L, A>(target: IterTarget<T, P, L, A>): RegisteredTarget<T, L> {
    const name = target.target
    if (this.#names.has(name)) {
      throw new KernelError('EEXIST', `iterator target ${name} is already registered`)
    }
    this.#names.add(name)
    let registered = true
    return {
      name,
      attach: (program, linkInfo) => {
        if (registered) return this.#attach(target, program, linkInfo)
        throw new KernelError('ENOENT', `iterator target ${name} is not registered`)
      },
      unregister: () => {
        if (!registered) return
        registered = false
        this.#names.delete(name)
      },
    }
  }

  #attach<T, P, L, A>(
    target: IterTarget<T, P, L, A>,
    program: IterProgram<T>,
    linkInfo: L,
  ): IterLink<T> {
    // A target without the hook declares no A: it is void.
    const aux = target.attachTarget?.(linkInfo) as A
    this.#linkIds += 1
    this.links += 1
    return new Link(this, this.#linkIds, target, program, aux)
  }
}
