// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  AdminOpcode,
  adminOpcodeName,
  Cns,
  cnsName,
  FabricsStatus,
  FeatureId,
  fabricsStatusName,
  featureName,
  LogId,
  logName,
  NvmOpcode,
  nvmOpcodeName,
  STATUS_DNR,
  STATUS_MORE,
  Status,
  statusName,
} from '../../../src/spec/index.ts'

describe('statusName', () => {
  it.each([
    [0x000, 'Successful Completion'],
    [0x002, 'Invalid Field in Command'],
    [0x013, 'PRP Offset Invalid'],
    [0x02a, 'Invalid Placement Handle List'],
    [0x080, 'LBA Out of Range'],
    [0x100, 'Completion Queue Invalid'],
    [0x10d, 'Feature Identifier Not Saveable'],
    [0x13b, 'Controller Data Queue Full'],
    [0x183, 'Command Size Limit Exceeded'],
    [0x1bf, 'Invalid Zone State Transition'],
    [0x281, 'Unrecovered Read Error'],
    [0x287, 'Deallocated or Unwritten Logical Block'],
    [0x302, 'Asymmetric Access Inaccessible'],
    [0x371, 'Command Aborted By Host'],
  ])('%i is %s', (status, name) => {
    expect(statusName(status)).toBe(name)
    expect(statusName(status | STATUS_DNR | STATUS_MORE)).toBe(name)
  })

  it('names every constant, and no two alike within a type', () => {
    const values = Object.values(Status)
    expect(new Set(values).size).toBe(values.length)
    expect(values.filter((value) => /Reserved|Vendor/.test(statusName(value)))).toEqual([])
    expect(new Set(values.map((value) => statusName(value))).size).toBe(values.length)
  })

  it('says that a value is reserved or the vendor’s, with its numbers', () => {
    expect(statusName(0x017)).toBe('Reserved (SCT 0h, SC 17h)')
    expect(statusName(0x104)).toBe('Reserved (SCT 1h, SC 04h)')
    expect(statusName(0x0c1)).toBe('Vendor Specific (SCT 0h, SC c1h)')
    expect(statusName(0x700)).toBe('Vendor Specific (SCT 7h, SC 00h)')
  })

  it('of a Fabrics command differs where the numbers do', () => {
    expect(fabricsStatusName(FabricsStatus.CONNECT_INVALID_HOST)).toBe('Connect Invalid Host')
    expect(fabricsStatusName(FabricsStatus.CONTROLLER_BUSY)).not.toBe(
      statusName(FabricsStatus.CONTROLLER_BUSY),
    )
    expect(fabricsStatusName(Status.INVALID_FIELD)).toBe('Invalid Field in Command')
  })
})

describe('names of opcodes and identifiers', () => {
  it.each([
    ['AdminOpcode', AdminOpcode, adminOpcodeName],
    ['NvmOpcode', NvmOpcode, nvmOpcodeName],
    ['Cns', Cns, cnsName],
    ['LogId', LogId, logName],
    ['FeatureId', FeatureId, featureName],
  ] as const)('%s: each has one of its own', (_, ids, name) => {
    const values = Object.values(ids)
    const names = values.map((value) => name(value))
    expect(names).not.toContain(undefined)
    expect(new Set(names).size).toBe(values.length)
    expect(name(0x6f)).toBeUndefined()
  })

  it('are the specification’s', () => {
    expect(adminOpcodeName(0x06)).toBe('Identify')
    expect(adminOpcodeName(0x7c)).toBe('Doorbell Buffer Config')
    expect(nvmOpcodeName(0x19)).toBe('Copy')
    expect(cnsName(0x1c)).toBe('Identify I/O Command Set')
    expect(logName(0x0e)).toBe('LBA Status Information')
    expect(featureName(0x16)).toBe('Host Behavior Support')
  })

  it('opcodes say the direction of the data in their lowest bits', () => {
    const fromController = [AdminOpcode.IDENTIFY, AdminOpcode.GET_LOG_PAGE, NvmOpcode.READ]
    const toController = [AdminOpcode.SET_FEATURES, NvmOpcode.WRITE, NvmOpcode.COMPARE]
    expect(fromController.map((opcode) => opcode & 3)).toEqual([2, 2, 2])
    expect(toController.map((opcode) => opcode & 3)).toEqual([1, 1, 1])
  })
})
