/** Four groups of 8 bits for IPv4, or eight groups of 16 bits for IPv6. */
export type IpAddress = readonly number[];
export type Network = { readonly address: IpAddress; readonly prefix: number };

const IPV4_GROUPS = 4;
const IPV6_GROUPS = 8;

const bitsOfGroup = (address: IpAddress): number => (address.length === IPV4_GROUPS ? 8 : 16);

/** Parses a decimal number without leading zeros; NaN if it is invalid or greater than `max`. */
const decimal = (text: string, max: number): number => {
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(text)) return Number.NaN;
  const value = Number(text);
  return value <= max ? value : Number.NaN;
};

const parseIPv4 = (text: string): IpAddress | undefined => {
  const bytes = text.split('.', IPV4_GROUPS + 1).map(part => decimal(part, 255));
  return bytes.length === IPV4_GROUPS && !bytes.some(Number.isNaN) ? bytes : undefined;
};

const hexadecimal = (text: string): number =>
  /^[0-9A-Fa-f]{1,4}$/.test(text) ? Number.parseInt(text, 16) : Number.NaN;

const pairUp = ([a = 0, b = 0, c = 0, d = 0]: IpAddress): IpAddress => [a * 256 + b, c * 256 + d];

/** Parses the groups on one side of `::`. Only the last group of an address can be a dotted IPv4 address. */
const parseGroups = (text: string, isLast: boolean): IpAddress | undefined => {
  if (text === '') return [];
  const parts = text.split(':', IPV6_GROUPS + 1);
  const dotted = isLast && text.includes('.') ? parseIPv4(parts.pop() ?? '') : [];
  if (dotted === undefined) return undefined;
  const groups = parts.map(hexadecimal);
  if (groups.some(Number.isNaN)) return undefined;
  return dotted.length === 0 ? groups : [...groups, ...pairUp(dotted)];
};

/** `::` replaces one or more groups of zeros, and can occur once. */
const parseIPv6 = (text: string): IpAddress | undefined => {
  const sides = text.split('::', 3);
  if (sides.length > 2) return undefined;
  const [before = '', after] = sides;
  const head = parseGroups(before, after === undefined);
  const tail = after === undefined ? [] : parseGroups(after, true);
  if (head === undefined || tail === undefined) return undefined;
  const zeros = IPV6_GROUPS - head.length - tail.length;
  if (after === undefined ? zeros !== 0 : zeros < 1) return undefined;
  return [...head, ...Array.from({ length: zeros }, () => 0), ...tail];
};

const isMapped = (address: IpAddress): boolean =>
  address.length === IPV6_GROUPS &&
  address[5] === 0xffff &&
  address.slice(0, 5).every(group => group === 0);

const toIPv4 = (address: IpAddress): IpAddress => {
  const [high = 0, low = 0] = address.slice(6);
  return [high >> 8, high & 255, low >> 8, low & 255];
};

/** The length of the longest IPv6 address. */
const MAX_ADDRESS_LENGTH = 45;

const parseLiteral = (text: string): IpAddress | undefined => {
  if (text.length > MAX_ADDRESS_LENGTH) return undefined;
  return text.includes(':') ? parseIPv6(text) : parseIPv4(text);
};

/** Parses an IPv4 or IPv6 address. An IPv4-mapped IPv6 address becomes its IPv4 address. */
export const parseAddress = (text: string): IpAddress | undefined => {
  const address = parseLiteral(text);
  return address !== undefined && isMapped(address) ? toIPv4(address) : address;
};

const asHost = (address: IpAddress): Network => ({
  address,
  prefix: address.length * bitsOfGroup(address),
});

/** Parses a network such as `10.0.0.0/8`, or a single address. IPv4-mapped networks are invalid. */
export const parseNetwork = (text: string): Network | undefined => {
  const slash = text.indexOf('/');
  if (slash === -1) {
    const host = parseAddress(text);
    return host === undefined ? undefined : asHost(host);
  }
  const address = parseLiteral(text.slice(0, slash));
  if (address === undefined || isMapped(address)) return undefined;
  const prefix = decimal(text.slice(slash + 1), address.length * bitsOfGroup(address));
  return Number.isNaN(prefix) ? undefined : { address, prefix };
};

/** The first and the last address of a network. */
type Range = { readonly first: IpAddress; readonly last: IpAddress };

const rangeOf = ({ address, prefix }: Network): Range => {
  const bits = bitsOfGroup(address);
  const hostBits = (group: number): number =>
    2 ** Math.min(bits, Math.max(0, bits * (group + 1) - prefix)) - 1;
  return {
    first: address.map((value, group) => value & ~hostBits(group)),
    last: address.map((value, group) => value | hostBits(group)),
  };
};

/** IPv4 comes before IPv6. */
const compareAddresses = (left: IpAddress, right: IpAddress): number => {
  if (left.length !== right.length) return left.length - right.length;
  for (let group = 0; group < left.length; group += 1) {
    const difference = (left[group] ?? 0) - (right[group] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

/** Sorts networks as ranges, without those within others: two networks either nest or have nothing in common. */
const sortRanges = (networks: readonly Network[]): Range[] => {
  const sorted = networks
    .map(rangeOf)
    .toSorted(
      (left, right) =>
        compareAddresses(left.first, right.first) || compareAddresses(right.last, left.last),
    );
  const outer: Range[] = [];
  for (const range of sorted) {
    const previous = outer.at(-1);
    if (previous === undefined || compareAddresses(previous.last, range.first) < 0)
      outer.push(range);
  }
  return outer;
};

/**
 * Returns whether an address is in one of the networks, by a binary search: lists of addresses to block have
 * thousands of entries. An IPv4 network contains no IPv6 address, and vice versa.
 */
export const inNetworks = (networks: readonly Network[]): ((address: IpAddress) => boolean) => {
  const ranges = sortRanges(networks);
  return address => {
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = ranges[middle];
      if (range === undefined || compareAddresses(range.last, address) >= 0) high = middle;
      else low = middle + 1;
    }
    const found = ranges[low];
    return found !== undefined && compareAddresses(found.first, address) <= 0;
  };
};
