# A tree with everything a file system can hold. Run by bash in an empty directory; says on its output what this
# machine would not make.
set -u
export LC_ALL=C
attempt() { "$@" 2>/dev/null || echo "$*"; }

mkdir kinds links names modes times attributes flags owners sparse
echo plain > kinds/file
: > kinds/empty
mkdir kinds/empty-directory
mkfifo -m 640 kinds/fifo
perl -MSocket -e 'my $s; socket($s, AF_UNIX, SOCK_STREAM, 0) && bind($s, sockaddr_un("kinds/socket")) or exit 1' || echo socket
attempt mknod kinds/character-device c 1 3
attempt mknod kinds/block-device b 7 200
attempt mknod kinds/large-numbers c 300 70000
# Large enough for several segments, and different all along.
perl -e 'srand 7; print pack "N*", map { int rand 4294967296 } 1 .. 1500000' > kinds/large
seq 1 300000 > kinds/text

mkdir -p links/a/b links/c
echo linked > links/a/one
ln links/a/one links/a/b/two
ln links/a/one links/c/three
ln links/a/one "names/four"
ln -s nowhere links/dangling
ln -s /etc/passwd links/absolute
ln -s ../kinds/file links/relative
ln -s . links/loop
ln -s $'target-\xff\xfe\n' links/odd-target
ln -s "$(printf 'x%.0s' $(seq 1 4000))" links/long-target

cd names
for name in $'\xff\xfe-not-utf8' $'\xc3\x28' $'new\nline' $'tab\tand\rreturn' $'\x01\x02\x1b[31m' -rf --help ' ' ' x ' '*' '?' '\' '"' "'" '$HOME' \
  'ä' $'a\xcc\x88' '...' '.hidden' '..hidden' '~' '#x#' '%41' 'con' 'aux.txt' 'a:b' 'trailing.' "$(printf 'n%.0s' $(seq 1 255))"; do
  echo "$name" > "./$name" || echo "name"
  mkdir -p "./directories/$name" && echo inside > "./directories/$name/file"
done
cd ..

for mode in 0000 0001 0400 0644 0777 1644 2755 4755 6755 7777; do echo $mode > modes/file-$mode; chmod $mode modes/file-$mode; done
for mode in 0000 0500 1777 2775 3700; do mkdir modes/directory-$mode; echo in > modes/directory-$mode/file; chmod $mode modes/directory-$mode; done

touch -d '2001-02-03 04:05:06.123456789' times/nanoseconds
touch -d '1950-01-01 00:00:00.000000001 UTC' times/before-1970
touch -d '1969-12-31 23:59:59.999999999 UTC' times/just-before-1970
touch -d '@0' times/zero
touch -d '2100-06-07 08:09:10.5' times/after-2038
touch -h -d '1999-12-31 23:59:59.25' links/dangling links/relative
touch -d '1985-05-05 05:05:05.050505050' kinds/fifo
mkdir times/directory && echo x > times/directory/file && touch -d '1970-01-02 03:04:05.678' times/directory

if command -v setfattr > /dev/null; then
  echo x > attributes/user && attempt setfattr -n user.comment -v 'some text' attributes/user
  attempt setfattr -n user.empty attributes/user
  attempt setfattr -n user.binary -v 0x00ff10 attributes/user
  attempt setfattr -n "user.$(printf 'k%.0s' $(seq 1 240))" -v x attributes/user
  echo x > attributes/large && attempt setfattr -n user.large -v "$(printf 'v%.0s' $(seq 1 3500))" attributes/large
  mkdir attributes/directory && attempt setfattr -n user.on-directory -v 1 attributes/directory
  echo x > attributes/trusted && attempt setfattr -n trusted.secret -v 1 attributes/trusted
  ln -s nowhere attributes/link && attempt setfattr -h -n trusted.on-link -v 1 attributes/link
  echo x > attributes/read-only && attempt setfattr -n user.x -v 1 attributes/read-only && chmod 0444 attributes/read-only
fi
command -v setcap > /dev/null && cp /bin/true attributes/capable && attempt setcap cap_net_raw+ep attributes/capable
if command -v setfacl > /dev/null; then
  echo x > attributes/acl && attempt setfacl -m u:65534:rw,g:1234:r,m::rwx attributes/acl
  mkdir attributes/acl-directory && attempt setfacl -m u:1:rx -m d:u:2:rwx,d:g:3:r attributes/acl-directory
  echo x > attributes/acl-directory/inherits
fi

mkdir flags/immutable-directory flags/append-directory flags/nodump-directory
# The ones that statx tells; a file system has more (sync, noatime …), which are not backed up.
for flag in i a d; do echo $flag > flags/flag-$flag; done
echo x > flags/immutable-directory/file; echo x > flags/append-directory/file
touch -d '2002-02-02 02:02:02.02' flags/*
for flag in i a d; do attempt chattr +$flag flags/flag-$flag; done
attempt chattr +i flags/immutable-directory; attempt chattr +a flags/append-directory; attempt chattr +d flags/nodump-directory

echo x > owners/file && attempt chown 12345:54321 owners/file
echo x > owners/setuid && attempt chown 1:2 owners/setuid && chmod 6755 owners/setuid
ln -s x owners/link && attempt chown -h 7:8 owners/link
mkdir owners/directory && echo x > owners/directory/file && attempt chown -R 4294967294:65534 owners/directory

truncate -s 3M sparse/only-hole
printf end | dd of=sparse/hole-first bs=1 seek=2500000 status=none
printf start > sparse/hole-last && truncate -s 2000000 sparse/hole-last
for at in 0 1000000 1500000 3000000; do printf "data at $at" | dd of=sparse/several bs=1 seek=$at conv=notrunc status=none; done
dd if=/dev/zero of=sparse/zeros-written bs=64K count=20 status=none

# Last, since making entries changes them.
touch -d '2003-03-03 03:03:03.303030303' . */
