#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The iolayers authors

# The first process of the guest. Says `@@ pass NAME` or `@@ fail NAME` for each check; scripts/test-linux.mjs reads them.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do
  case $module in
    brd.ko*) insmod "/mods/$module" rd_nr=1 rd_size=262144 ;;
    # A request that finds its socket shut down is tried again at once: five times are over before the queue is stopped.
    nvme-core.ko*) insmod "/mods/$module" max_retries=200 ;;
    *) insmod "/mods/$module" ;;
  esac
done < /mods/order
ifconfig lo up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
port=$(cat /target/port)
nqn=$(cat /target/nqn)
where="-t tcp -a 10.0.2.2 -s $port"

check() {
  name=$1
  shift
  if "$@" > /tmp/out 2>&1; then echo "@@ pass $name"; else echo "@@ fail $name"; cat /tmp/out; fi
}

disk_comes() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -b /dev/nvme0n1 ] && return 0
    sleep 1
  done
  return 1
}

same() {
  dd if=/dev/urandom of=/tmp/source bs="$1" count=3 &&
    dd if=/tmp/source of=/dev/nvme0n1 bs="$1" oflag=direct seek=2 &&
    dd if=/dev/nvme0n1 of=/tmp/back bs="$1" iflag=direct skip=2 count=3 &&
    cmp /tmp/source /tmp/back
}

tree() {
  mount -t ext4 /dev/nvme0n1 /mnt && mkdir -p /mnt/a/b && cp -r /bin /mnt/a/b/ && sync && umount /mnt &&
    mount -t ext4 /dev/nvme0n1 /mnt && cmp /bin/busybox /mnt/a/b/bin/busybox && umount /mnt
}

zeroed() {
  dd if=/dev/zero of=/tmp/zeros bs=4096 count=1 &&
    dd if=/dev/nvme0n1 of=/tmp/back bs=4096 iflag=direct skip=3 count=1 && cmp /tmp/zeros /tmp/back
}

compares() {
  dd if=/dev/nvme0n1 of=/tmp/back bs=4096 iflag=direct count=1 &&
    nvme compare /dev/nvme0n1 -s 0 -c 7 -z 4096 -d /tmp/back &&
    ! nvme compare /dev/nvme0n1 -s 0 -c 7 -z 4096 -d /bin/busybox
}

reset_under_load() {
  dd if=/dev/nvme0n1 of=/dev/null bs=65536 iflag=direct &
  load=$!
  nvme reset /dev/nvme0 && wait $load
}

for digests in "" "--hdr-digest --data-digest"; do
  tag=${digests:+ with digests}
  echo "== connect $digests"
  check "discover$tag" sh -c "nvme discover $where | grep -q $nqn"
  check "connect$tag" nvme connect $where -n "$nqn" -i 2 $digests
  check "a disk comes$tag" disk_comes
  check "identify$tag" sh -c "nvme id-ctrl /dev/nvme0 | grep -q $nqn"
  check "identify the namespace$tag" nvme id-ns /dev/nvme0n1
  check "SMART log$tag" nvme smart-log /dev/nvme0
  check "error log$tag" nvme error-log /dev/nvme0
  check "a feature$tag" nvme get-feature /dev/nvme0 -f 6
  for size in 512 4096 65536 1048576; do check "data of $size bytes is read as it was written$tag" same $size; done
  check "mkfs.ext4$tag" mkfs.ext4 -q -F /dev/nvme0n1
  check "a tree of files, and again after a mount$tag" tree
  check "fsck -fn$tag" e2fsck -fn /dev/nvme0n1
  check "compare$tag" compares
  check "flush$tag" nvme flush /dev/nvme0n1 -n 1
  check "discard$tag" nvme dsm /dev/nvme0n1 -d -s 0 -b 8
  check "write zeroes$tag" nvme write-zeroes /dev/nvme0n1 -s 24 -c 7
  check "what was zeroed is zeros$tag" zeroed
  check "a reset under load$tag" reset_under_load
  check "data after the reset$tag" same 65536
  check "disconnect$tag" sh -c "nvme disconnect -n $nqn | grep -q 'disconnected 1'"
done
# Writes, reads again, and compares. With two queues, and both digests.
# Linux 6.1 sends on a socket that was shut down from the task that does the I/O, and without MSG_NOSIGNAL: the task gets the SIGPIPE, which would end fio.
verified() {
  (trap '' PIPE && exec fio --filename=/dev/nvme0n1 --direct=1 --verify=crc32c --do_verify=1 --verify_fatal=1 --name=verified "$@")
}

# While data is written and verified, something happens to the connections; afterwards there is nothing wrong with the data.
verified_while() {
  verified --ioengine=io_uring --iodepth=16 --rw=randwrite --bs=16k --size=48m > /tmp/load 2>&1 &
  load=$!
  "$@"
  wait $load || { cat /tmp/load; return 1; }
  [ "$(cat /sys/class/nvme/nvme0/state)" = live ]
}

kill_sockets() {
  for _ in 1 2; do
    sleep 2
    ss -K -t dst 10.0.2.2 dport = "$port" | grep -q "$port" || return 1
  done
}

lose_link() {
  sleep 1
  ifconfig eth0 down
  sleep 8
  ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
}

echo "== fio, and connections that are lost"
check "connect with two queues" nvme connect $where -n "$nqn" -i 2 --hdr-digest --data-digest --reconnect-delay 1 --keep-alive-tmo 5
check "a disk comes, with two queues" disk_comes
check "fio: random writes are verified" verified --ioengine=io_uring --iodepth=32 --rw=randwrite --bs=4k --size=16m
check "fio: mixed, in sizes of 512 B to 128 KiB" verified --ioengine=libaio --iodepth=16 --rw=randrw --bsrange=512-128k --size=16m
check "fio: with fsync" verified --ioengine=psync --rw=write --bs=16k --fsync=8 --size=8m
check "fio: several jobs" verified --ioengine=io_uring --iodepth=8 --rw=randwrite --bs=8k --size=8m --numjobs=4 --offset_increment=16m
if [ -e /target/losses ]; then
  echo "iolayers: phase lost" > /dev/kmsg
  check "sockets killed under load" verified_while kill_sockets
  check "the link lost and back, under load" verified_while lose_link
  echo "iolayers: phase whole" > /dev/kmsg
fi
check "disconnect after that" sh -c "nvme disconnect -n $nqn | grep -q 'disconnected 1'"

# The other way round: a target of the kernel's own, for as long as somebody outside needs it.
serves() {
  mount -t configfs none /sys/kernel/config || return 1
  subsystem=/sys/kernel/config/nvmet/subsystems/$(cat /target/guest-nqn)
  listener=/sys/kernel/config/nvmet/ports/1
  mkdir "$subsystem" "$subsystem/namespaces/1" "$listener" || return 1
  echo 1 > "$subsystem/attr_allow_any_host"
  echo -n /dev/ram0 > "$subsystem/namespaces/1/device_path" || return 1
  echo 1 > "$subsystem/namespaces/1/enable" || return 1
  echo tcp > $listener/addr_trtype
  echo ipv4 > $listener/addr_adrfam
  echo 10.0.2.15 > $listener/addr_traddr
  echo 4420 > $listener/addr_trsvcid
  ln -s "$subsystem" $listener/subsystems/
}
check "a target of the kernel's own" serves
echo "@@ serving"
read -r _ < /dev/console

# With levels, for what is at warning or above.
echo "@@ log"
dmesg -r
echo "@@ end"
poweroff -f
