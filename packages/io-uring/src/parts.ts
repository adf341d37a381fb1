// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The classes behind the ring, for those who replace one step of them and nothing else. They may change in any release.

export { Attempts, MAX_STALE_IMPORTS } from './attempts.ts'
export { IoReq, type IoReqOwner, ReqFlags } from './io-req.ts'
export type { RingParts } from './io-uring-service.ts'
