// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Numbers of NVMe/TCP.

/** Kinds of PDUs. @see NVMe TCP Transport 1.1, 3.6.1; enum nvme_tcp_pdu_type */
export const TcpPduType = {
  IC_REQ: 0x00,
  IC_RESP: 0x01,
  H2C_TERM_REQ: 0x02,
  C2H_TERM_REQ: 0x03,
  CAPSULE_CMD: 0x04,
  CAPSULE_RESP: 0x05,
  H2C_DATA: 0x06,
  C2H_DATA: 0x07,
  R2T: 0x09,
} as const

/** FLAGS of the common header. @see NVMe TCP Transport 1.1, 3.6.2; enum nvme_tcp_pdu_flags */
export const TcpFlags = {
  HDGSTF: 0x01,
  DDGSTF: 0x02,
  /** H2CData, C2HData: nothing of the data follows. */
  LAST_PDU: 0x04,
  /** C2HData: the command has ended well, and no CapsuleResp follows. */
  SUCCESS: 0x08,
} as const

/** Why a connection is terminated (FES). @see NVMe TCP Transport 1.1, 3.6.2.3, 3.6.2.4; enum nvme_tcp_fatal_error_status */
export const TcpFatalError = {
  INVALID_PDU_HEADER: 0x01,
  PDU_SEQUENCE: 0x02,
  HEADER_DIGEST: 0x03,
  DATA_OUT_OF_RANGE: 0x04,
  /** R2T Limit Exceeded in what a host sends. */
  DATA_LIMIT_EXCEEDED: 0x05,
  UNSUPPORTED_PARAMETER: 0x06,
} as const

export const TCP_COMMON_HEADER_BYTES = 8
/** HLEN of the kinds of PDUs. */
export const TCP_IC_BYTES = 128
export const TCP_CAPSULE_CMD_BYTES = 72
export const TCP_CAPSULE_RESP_BYTES = 24
export const TCP_DATA_BYTES = 24
export const TCP_TERM_BYTES = 24
/** Header and as much as may follow of what was wrong. */
export const TCP_TERM_BYTES_MAX = 152
export const TCP_DIGEST_BYTES = 4
/** The least that MAXH2CDATA may be. */
export const TCP_MAXH2CDATA_MIN = 4096
/** @see NVMe TCP Transport 1.1, 3.3.1; IANA */
export const TCP_PORT = 4420
export const TCP_DISCOVERY_PORT = 8009
