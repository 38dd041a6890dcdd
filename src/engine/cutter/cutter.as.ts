// The scanning loop of the cutter, in AssemblyScript; scripts/build-cutter.ts compiles it into cutter-wasm.ts.
// docs/design/cutting.md explains the method; cutter.reference.ts says the same in plain TypeScript.
//
// Memory, imported: the constants below at their addresses, the window from WINDOW on, and at least 32 bytes behind it,
// which the last step of a scan may load (and ignores).

const TABLE_LOW: usize = 0; // 16 bytes: by the low nibble
const TABLE_HIGH: usize = 16; // 16 bytes: by the high nibble
const MAGIC: usize = 32; // u8
const KEYS: usize = 64; // 4 x u64
const FACTORS: usize = 96; // 4 x u64, odd
const FINAL_FACTOR: usize = 128; // u64, odd
const LIMIT_BEFORE: usize = 136; // u64: candidates below the normal length
const LIMIT_AFTER: usize = 144; // u64: candidates from the normal length on
const MINIMUM: usize = 152; // u32
const NORMAL: usize = 156; // u32
const MAXIMUM: usize = 160; // u32

const WINDOW: usize = 4096;

/**
 * The end of the segment that begins at `start`, as an offset into the window; -1 when bytes beyond `end` decide.
 * `atEnd` is 1 when the data ends at `end`.
 */
export function next(start: u32, end: u32, atEnd: u32): i32 {
  const available = end - start;
  const minimum = load<u32>(MINIMUM);
  // A rest no longer than the minimum is one segment; without knowing that it is the rest, nothing can be said.
  if (available <= minimum) return atEnd != 0 ? <i32>end : -1;

  const normal = load<u32>(NORMAL);
  const maximum = load<u32>(MAXIMUM);
  const base = WINDOW + start;
  // A candidate is the address of a segment's last byte. The lengths minimum … normal-1 are tried against one
  // limit, normal … maximum-1 against the other, and maximum is taken without asking.
  const normalLast = base + min(normal, available + 1) - 1;
  let found = scan(base + minimum - 1, normalLast, load<u64>(LIMIT_BEFORE));
  if (found == 0 && available >= normal) {
    found = scan(normalLast, base + min(maximum, available + 1) - 1, load<u64>(LIMIT_AFTER));
  }
  if (found != 0) return <i32>(found - WINDOW);
  if (available >= maximum) return <i32>(start + maximum);
  return atEnd != 0 ? <i32>end : -1;
}

/** The address behind the first byte of `first` … `last`-1 that ends a segment, or 0. At least 31 bytes precede `first`. */
function scan(first: usize, last: usize, limit: u64): usize {
  const low = v128.load(TABLE_LOW);
  const high = v128.load(TABLE_HIGH);
  const magic = v128.splat<u8>(load<u8>(MAGIC));

  // What the 16 bytes before `first` give, as far as the loop looks back: the upper lanes are right.
  let gear = gearOf(v128.load(first - 16), low, high);
  const none = v128.splat<u8>(0);
  let two = pairs(none, gear);
  let four = fours(none, two);

  for (let at = first; at < last; at += 32) {
    const gearA = gearOf(v128.load(at), low, high);
    const gearB = gearOf(v128.load(at, 16), low, high);
    const twoA = pairs(gear, gearA);
    const twoB = pairs(gearA, gearB);
    const fourA = fours(two, twoA);
    const fourB = fours(twoA, twoB);
    const hitA = v128.eq<u8>(eights(four, fourA), magic);
    const hitB = v128.eq<u8>(eights(fourA, fourB), magic);
    if (v128.any_true(v128.or(hitA, hitB))) {
      let hits = <u32>v128.bitmask<u8>(hitA) | (<u32>v128.bitmask<u8>(hitB) << 16);
      const left = last - at;
      if (left < 32) hits &= (1 << <u32>left) - 1;
      while (hits != 0) {
        const place = at + <usize>ctz(hits);
        if (mix(place) < limit) return place + 1;
        hits &= hits - 1;
      }
    }
    gear = gearB;
    two = twoB;
    four = fourB;
  }
  return 0;
}

/** For every byte the entries of its two nibbles. */
// @ts-ignore: decorator of AssemblyScript
@inline
function gearOf(bytes: v128, low: v128, high: v128): v128 {
  const nibble = v128.splat<u8>(15);
  return v128.xor(
    v128.swizzle(low, v128.and(bytes, nibble)),
    v128.swizzle(high, v128.and(v128.shr<u16>(bytes, 4), nibble)),
  );
}

/** gear[i] and gear[i-1] rotated by 1; `before` are the 16 gears before. */
// @ts-ignore: decorator of AssemblyScript
@inline
function pairs(before: v128, gear: v128): v128 {
  const previous = v128.shuffle<u8>(before, gear, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
  // The comparison is -1 where the highest bit is set: subtracting it puts that bit back at the lower end.
  const carry = v128.lt<i8>(previous, v128.splat<i8>(0));
  return v128.xor(gear, v128.sub<u8>(v128.add<u8>(previous, previous), carry));
}

/** Of four bytes: two[i] and two[i-2] rotated by 2. */
// @ts-ignore: decorator of AssemblyScript
@inline
function fours(before: v128, two: v128): v128 {
  const previous = v128.shuffle<u8>(before, two, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29);
  return v128.xor(two, v128.or(v128.shl<u8>(previous, 2), v128.shr<u8>(previous, 6)));
}

/** Of eight: four[i] and four[i-4] with its nibbles exchanged. */
// @ts-ignore: decorator of AssemblyScript
@inline
function eights(before: v128, four: v128): v128 {
  const previous = v128.shuffle<u8>(before, four, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27);
  const exchanged = v128.bitselect(v128.shl<u16>(previous, 4), v128.shr<u16>(previous, 4), v128.splat<u8>(0xf0));
  return v128.xor(four, exchanged);
}

/** 64 well mixed bits of the 32 bytes that end at `place`. */
// @ts-ignore: decorator of AssemblyScript
@inline
function mix(place: usize): u64 {
  let sum =
    (load<u64>(place - 31) ^ load<u64>(KEYS)) * load<u64>(FACTORS) +
    (load<u64>(place - 23) ^ load<u64>(KEYS, 8)) * load<u64>(FACTORS, 8) +
    (load<u64>(place - 15) ^ load<u64>(KEYS, 16)) * load<u64>(FACTORS, 16) +
    (load<u64>(place - 7) ^ load<u64>(KEYS, 24)) * load<u64>(FACTORS, 24);
  sum ^= sum >> 32;
  sum *= load<u64>(FINAL_FACTOR);
  return sum ^ (sum >> 29);
}
