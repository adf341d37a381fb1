// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// `pnpm test:linux`: Debian's kernel, emulated, connects to `iolayers serve` and uses what it finds. Takes what it needs from Debian's packages, and installs
// them only where it may (as root); where it cannot have them it says what is missing, and exits 77: skipped, not passed.
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { build } from './lib/build.mjs'
import { root } from './lib/workspace.mjs'
import { checkOurHost, GUEST_NQN } from './linux/our-host.mjs'

const SKIPPED = 77
/** Connections are lost under load, too. How long Linux takes over that depends on how busy the machine is; the gate does without. */
const withLosses = !process.argv.includes('--without-losses')
const GUEST_TIMEOUT_MS = 900_000
const NQN = 'nqn.2026-11.org.iolayers:linux'
/** Commands, and the packages that have them. */
const COMMANDS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  depmod: 'kmod',
  modprobe: 'kmod',
  cpio: 'cpio',
  busybox: 'busybox-static',
  nvme: 'nvme-cli',
  'mkfs.ext4': 'e2fsprogs',
  e2fsck: 'e2fsprogs',
  fio: 'fio',
  ss: 'iproute2',
}
const APPLETS =
  'sh mount umount insmod ifconfig dd cat echo sleep poweroff dmesg mkdir grep cmp cp sync head ln'
const MODULES = [
  'e1000',
  'crc32c_generic',
  'libcrc32c',
  'nvme-tcp',
  'nvmet-tcp',
  'tcp_diag',
  'brd',
  'crc16',
  'mbcache',
  'jbd2',
  'ext4',
]
/** What a line of the kernel log that counts is about. */
const ABOUT = /nvme|blk|I\/O error|EXT4-fs|Buffer/i
const WARNING = 4

function skip(what) {
  process.stdout.write(`test:linux: skipped: ${what}\n`)
  process.exit(SKIPPED)
}

function tool(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    ...options,
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' },
  })
  if (error !== undefined || status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
  }
  return stdout
}

function where(command) {
  return ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin']
    .map((dir) => join(dir, command))
    .find((path) => existsSync(path))
}

/** All commands are there afterwards, or this ends. */
function needCommands() {
  const missing = () => Object.keys(COMMANDS).filter((command) => where(command) === undefined)
  if (missing().length === 0) return
  const packages = [...new Set(missing().map((command) => COMMANDS[command]))]
  if (process.getuid?.() !== 0 || where('apt-get') === undefined) {
    skip(`not there: ${missing().join(', ')} (Debian's packages ${packages.join(', ')})`)
  }
  try {
    tool('apt-get', ['update', '-qq'])
    tool('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages])
  } catch (error) {
    skip(`Debian's packages ${packages.join(', ')} cannot be installed: ${error.message}`)
  }
}

/** Unpacks Debian's kernel; gives where, and its version. */
function unpackKernel(dir) {
  try {
    const depends = tool('apt-cache', ['depends', 'linux-image-amd64'])
    const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1]
    if (name === undefined) skip('linux-image-amd64 is in no package list (apt-get update)')
    tool('apt-get', ['download', '-qq', name], { cwd: dir })
    const file = readdirSync(dir).find((one) => one.endsWith('.deb'))
    tool('dpkg', ['-x', join(dir, file), join(dir, 'kernel')])
  } catch (error) {
    skip(`Debian's kernel cannot be had: ${error.message}`)
  }
  const [version] = readdirSync(join(dir, 'kernel/lib/modules'))
  tool('depmod', ['-b', join(dir, 'kernel'), version])
  return { kernel: join(dir, 'kernel'), version }
}

function put(from, to) {
  mkdirSync(dirname(to), { recursive: true })
  if (!existsSync(to)) copyFileSync(realpathSync(from), to)
}

/** The guest's root, as an archive. */
function packGuest(dir, { kernel, version }, port) {
  const guest = join(dir, 'guest')
  for (const name of ['bin', 'proc', 'sys', 'dev', 'tmp', 'mnt', 'mods', 'target', 'etc/nvme']) {
    mkdirSync(join(guest, name), { recursive: true })
  }
  put(where('busybox'), join(guest, 'bin/busybox'))
  for (const applet of APPLETS.split(' '))
    tool('ln', ['-sf', 'busybox', join(guest, 'bin', applet)])
  for (const command of ['nvme', 'mkfs.ext4', 'e2fsck', 'fio', 'ss']) {
    put(where(command), join(guest, 'bin', command))
    for (const [, path] of tool('ldd', [where(command)]).matchAll(/(\/\S+) \(0x/g)) {
      put(path, join(guest, path))
    }
  }
  const order = []
  for (const name of MODULES) {
    const args = ['-d', kernel, '-S', version, '--show-depends', name]
    for (const [, path] of tool('modprobe', args).matchAll(/^insmod (\S+)/gm)) {
      if (order.includes(basename(path))) continue
      order.push(basename(path))
      put(path, join(guest, 'mods', basename(path)))
    }
  }
  writeFileSync(join(guest, 'mods/order'), `${order.join('\n')}\n`)
  writeFileSync(join(guest, 'target/port'), `${port}\n`)
  writeFileSync(join(guest, 'target/nqn'), `${NQN}\n`)
  writeFileSync(join(guest, 'target/guest-nqn'), `${GUEST_NQN}\n`)
  if (withLosses) writeFileSync(join(guest, 'target/losses'), '')
  const host = '6d1b2d9e-7a55-4a0d-9c43-0f6f2f3b5a11'
  writeFileSync(join(guest, 'etc/nvme/hostid'), `${host}\n`)
  writeFileSync(join(guest, 'etc/nvme/hostnqn'), `nqn.2014-08.org.nvmexpress:uuid:${host}\n`)
  put(join(root, 'scripts/linux/init.sh'), join(guest, 'init'))
  chmodSync(join(guest, 'init'), 0o755)
  tool('sh', ['-c', 'find . | cpio -o -H newc --quiet | gzip -1 > ../guest.gz'], { cwd: guest })
  return join(dir, 'guest.gz')
}

/** A target of its own, until it is closed. */
function startTarget() {
  const args = [
    join(root, 'apps/demo/dist/cli.js'),
    'serve',
    'mem:64M',
    '--port',
    '0',
    '--nqn',
    NQN,
  ]
  const child = spawn(process.execPath, [...args, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.on('close', resolve))
  const listening = new Promise((resolve, reject) => {
    child.stdout
      .setEncoding('utf8')
      .once('data', (text) => resolve(JSON.parse(text.split('\n')[0])))
    void ended.then(() => reject(new Error('the target has ended')))
  })
  return { child, ended, listening }
}

/** A port of this machine that is free now. */
async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** What the guest says on its console. It is asked for its end when `served`, called once its own target is there, has returned. */
async function runGuest(kernel, version, archive, served) {
  const port = await freePort()
  const args = [
    '-m',
    '1280',
    '-smp',
    '2',
    '-nographic',
    '-no-reboot',
    '-kernel',
    join(kernel, `boot/vmlinuz-${version}`),
  ]
  args.push('-initrd', archive, '-append', 'console=ttyS0 quiet panic=-1')
  const forward = `hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:4420`
  args.push('-netdev', `user,id=net,${forward}`, '-device', 'e1000,netdev=net')
  const child = spawn(where('qemu-system-x86_64'), args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => {})
  const timer = setTimeout(() => child.kill('SIGKILL'), GUEST_TIMEOUT_MS)
  let text = ''
  let shown = 0
  let isServed = false
  child.stdout.setEncoding('utf8').on('data', (part) => {
    text += part
    // Whole lines, as they come.
    const end = text.lastIndexOf('\n') + 1
    for (const [, line] of text.slice(shown, end).matchAll(/^@@ ((?:pass|fail) .*?)\r?$/gm)) {
      process.stdout.write(`${line}\n`)
    }
    shown = end
    if (isServed || !/^@@ serving/m.test(text)) return
    isServed = true
    void served(port).finally(() => child.stdin.write('end\n'))
  })
  return new Promise((resolve) => {
    child.on('close', () => {
      clearTimeout(timer)
      resolve(text)
    })
  })
}

/** Lines at warning or above that nobody gave a reason for; a reason may be one of a phase only, of which the guest tells its log. */
function unexpectedLines(log) {
  const allowed = JSON.parse(readFileSync(join(root, 'scripts/linux/allowed-log.json'), 'utf8'))
  const unexpected = []
  let now = 'whole'
  for (const [, level, line] of log.matchAll(/^<(\d+)>(.*?)\r?$/gm)) {
    now = /iolayers: phase (\w+)/.exec(line)?.[1] ?? now
    if ((Number(level) & 7) > WARNING || !ABOUT.test(line)) continue
    const isAllowed = ({ pattern, phase = now }) => phase === now && new RegExp(pattern).test(line)
    if (!allowed.some(isAllowed)) unexpected.push(line)
  }
  return unexpected
}

function judge(text, ours) {
  const passed = [...text.matchAll(/^@@ pass /gm)].length + ours.passed
  const failures = [...text.matchAll(/^@@ fail (.*?)\r?$/gm)].map(([, name]) => name)
  failures.push(...ours.failures)
  if (!/^@@ end/m.test(text)) failures.push('the guest did not come to its end')
  const log = text.slice(text.indexOf('@@ log'))
  failures.push(...unexpectedLines(log).map((line) => `the kernel log: ${line}`))
  for (const failure of failures) process.stdout.write(`failed: ${failure}\n`)
  process.stdout.write(`${passed} passed, ${failures.length} failed\n`)
  return failures.length === 0
}

if (process.platform !== 'linux' || process.arch !== 'x64') skip('this is no Linux on x86-64')
needCommands()
if (!(await build('iolayers'))) process.exit(1)
const dir = mkdtempSync(join(tmpdir(), 'iolayers-linux-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))
const target = startTarget()
process.on('exit', () => target.child.kill('SIGKILL'))
const { port } = await target.listening
const { kernel, version } = unpackKernel(dir)
const archive = packGuest(dir, { kernel, version }, port)
const ours = { passed: 0, failures: [] }
const text = await runGuest(kernel, version, archive, (guestPort) =>
  checkOurHost(guestPort, dir, (isGood, name, why) => {
    process.stdout.write(`${isGood ? 'pass' : 'fail'} ${name}${why === '' ? '' : `: ${why}`}\n`)
    if (isGood) ours.passed++
    else ours.failures.push(name)
  }),
)
target.child.kill('SIGINT')
if ((await target.ended) !== 0) process.stdout.write('failed: the target did not end well\n')
if (process.env.GUEST_LOG !== undefined) writeFileSync(process.env.GUEST_LOG, text)
process.exit(judge(text, ours) ? 0 : 1)
