// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Numbers of NVMe over Fabrics.

/** Fabrics commands, by FCTYPE. @see NVMe Base 2.1, 6; enum nvmf_capsule_command */
export const FabricsType = {
  PROPERTY_SET: 0x00,
  CONNECT: 0x01,
  PROPERTY_GET: 0x04,
  AUTHENTICATION_SEND: 0x05,
  AUTHENTICATION_RECEIVE: 0x06,
  DISCONNECT: 0x08,
} as const

/** TRTYPE of an entry of the discovery log. @see NVMe Base 2.1, 5.1.12.3.1 */
export const TransportType = { RDMA: 1, FIBRE_CHANNEL: 2, TCP: 3, LOOP: 254 } as const

/** ADRFAM. */
export const AddressFamily = { PCI: 0, IPV4: 1, IPV6: 2, INFINIBAND: 3, FIBRE_CHANNEL: 4 } as const

/** SUBTYPE: what a subsystem is. */
export const SubsystemType = { DISCOVERY: 1, NVM: 2, CURRENT_DISCOVERY: 3 } as const

/** The name that every discovery subsystem answers to. @see NVMe Base 2.1, 3.1.3.3 */
export const DISCOVERY_NQN = 'nqn.2014-08.org.nvmexpress.discovery'
/** Bytes of a name at most; its fields have 256. @see NVMe Base 2.1, 4.7 */
export const NQN_BYTES_MAX = 223
/** CNTLID of a Connect that takes any controller. */
export const CNTLID_ANY = 0xffff
export const CONNECT_DATA_BYTES = 1024
export const DISCOVERY_HEADER_BYTES = 1024
export const DISCOVERY_ENTRY_BYTES = 1024
