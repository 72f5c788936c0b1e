import { BlockList, isIPv4 } from 'node:net';

import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';

import { inNetworks, parseAddress, parseNetwork } from '../src/cidr.ts';
import { parseInstant } from '../src/dates.ts';
import { OPERATORS } from '../src/operators.ts';
import { compilePattern } from '../src/re2-subset.ts';
import { patterns } from '../src/re2js.ts';
import { compareTo, parseVersion } from '../src/semver.ts';
import { resetWork } from '../src/work.ts';

// Tests of other files may have left work of an evaluation behind.
beforeEach(resetWork);

describe('an instant', () => {
  /** 0001-01-01 in Unix milliseconds. `Date.UTC` reads the year 1 as 1901. */
  const EPOCH = Date.parse('0001-01-01T00:00:00.000Z');

  const date = fc.date({
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  });

  test('is parsed as Date does', () => {
    fc.assert(
      fc.property(date, when => {
        expect(parseInstant(when.toISOString()) + EPOCH).toBe(when.getTime());
      }),
      { numRuns: 5_000 },
    );
  });

  test('with an offset is parsed as Date does', () => {
    const two = (value: number) => String(value).padStart(2, '0');
    const offset = fc
      .tuple(fc.constantFrom('+', '-'), fc.nat(23), fc.nat(59))
      .map(([sign, hours, minutes]) => `${sign}${two(hours)}:${two(minutes)}`);
    fc.assert(
      fc.property(date, offset, (when, zone) => {
        const text = when.toISOString().replace('Z', zone);
        expect(parseInstant(text) + EPOCH).toBe(Date.parse(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test('is truncated to milliseconds, before 1970 too', () => {
    expect(parseInstant('1969-12-31T23:59:59.9999Z')).toBe(
      parseInstant('1969-12-31T23:59:59.999Z'),
    );
    expect(parseInstant('2026-01-31t12:00:00.5z')).toBe(parseInstant('2026-01-31T12:00:00.500Z'));
  });

  test('is invalid for days that a month does not have', () => {
    for (let month = 1; month <= 12; month += 1) {
      for (let day = 1; day <= 31; day += 1) {
        for (const year of [1900, 2000, 2023, 2024]) {
          const text = `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
          const exists = new Date(Date.UTC(year, month - 1, day)).getUTCMonth() === month - 1;
          expect(Number.isNaN(parseInstant(`${text}T00:00:00Z`))).toBe(!exists);
        }
      }
    }
  });

  test.each([
    '',
    '2026-01-31',
    '2026-01-31T12:00Z',
    '2026-01-31T12:00:00',
    '2026-01-31 12:00:00Z',
    '2026-01-31T12:00:00.Z',
    '2026-01-31T12:00:00,5Z',
    '2026-01-31T12:00:00+0200',
    '2026-01-31T12:00:00+02',
    '2026-01-31T12:00:00+24:00',
    '2026-01-31T12:00:00+02:60',
    '2026-01-31T24:00:00Z',
    '2026-01-31T12:60:00Z',
    '2026-01-31T23:59:60Z',
    '0000-01-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '+02026-01-31T12:00:00Z',
    ' 2026-01-31T12:00:00Z',
    '2026-01-31T12:00:00Z ',
    '2026-01-31T12:00:00Z\n',
    '２026-01-31T12:00:00Z',
  ])('is not in %j', text => {
    expect(parseInstant(text)).toBeNaN();
  });
});

describe('versions', () => {
  /** The example of semver.org, and more. */
  const ORDERED = [
    '0.0.0-0',
    '0.0.1',
    '1.0.0-0',
    '1.0.0-2',
    '1.0.0-10',
    '1.0.0--',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '1.0.9007199254740993',
    '1.0.90071992547409931',
    '1.2.0',
    '1.10.0',
    '2.0.0',
    '10.0.0',
  ];
  const parse = (text: string) => parseVersion(text) ?? expect.fail(`${text} is a version`);

  test('are ordered as SemVer 2 defines', () => {
    ORDERED.forEach((left, index) => {
      ORDERED.forEach((right, otherIndex) => {
        const order = compareTo(parse(right));
        expect(Math.sign(order(left))).toBe(Math.sign(index - otherIndex));
        expect(Math.sign(order(`${left}+a`))).toBe(Math.sign(index - otherIndex));
        expect(compareTo(parse(`${left}+b.1`))(`${left}+a`)).toBe(0);
      });
    });
  });

  test.each([
    '',
    '1',
    '1.2',
    '1.2.3.4',
    'v1.2.3',
    '01.2.3',
    '1.02.3',
    '1.2.03',
    '1.2.3-',
    '1.2.3-01',
    '1.2.3-a..b',
    '1.2.3+',
    '1.2.3+a+b',
    '1.2.3 ',
    ' 1.2.3',
    '1.2.3\n',
    '1.2.3-ä',
    '-1.2.3',
    '１.2.3',
    '1.2.3-a_b',
    `1.2.3-${'a'.repeat(251)}`,
  ])('are not in %j', text => {
    expect(parseVersion(text)).toBeUndefined();
    expect(compareTo(parse('1.2.3'))(text)).toBeNaN();
  });

  test('of plain numbers are ordered as Node orders the numbers', () => {
    const number = fc.oneof(fc.nat(20), fc.nat(2 ** 31 - 1), fc.maxSafeNat());
    const version = fc.tuple(number, number, number);
    fc.assert(
      fc.property(version, version, fc.boolean(), (left, right, isSameMajor) => {
        const other = isSameMajor ? [left[0], right[1], right[2]] : right;
        const index = [0, 1, 2].find(part => left[part] !== other[part]) ?? 0;
        const expected = Math.sign((left[index] ?? 0) - (other[index] ?? 0));
        expect(Math.sign(compareTo(parse(other.join('.')))(left.join('.')))).toBe(expected);
      }),
      { numRuns: 3_000 },
    );
  });

  test('have at most 256 characters', () => {
    expect(parseVersion(`1.2.3-${'a'.repeat(250)}`)).toBeDefined();
  });
});

describe('networks', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  /** Node treats a mapped address as IPv6; the contract treats it as its IPv4 address. */
  const isMapped = (text: string) => !isIPv4(text) && parseAddress(text)?.length === 4;

  test('contain the addresses that Node finds in them, and none of the other family', () => {
    const base = address.filter(text => !isMapped(text));
    fc.assert(
      fc.property(base, fc.nat(128), address, fc.boolean(), (text, bits, other, isSame) => {
        const family = isIPv4(text) ? 'ipv4' : 'ipv6';
        const prefix = family === 'ipv4' ? bits % 33 : bits;
        const candidate = isSame ? text : other;
        const network = parseNetwork(`${text}/${prefix}`);
        const found = parseAddress(candidate);
        const sameFamily = network?.address.length === found?.length && !isMapped(candidate);
        const blocks = new BlockList();
        blocks.addSubnet(text, prefix, family);
        const holds = network && found && inNetworks([network])(found);
        if (sameFamily) expect(holds).toBe(blocks.check(candidate, family));
        else if (!isMapped(candidate)) expect(holds).toBe(false);
      }),
      { numRuns: 3_000 },
    );
  });

  test('of a long list are found as in the same lists of one', () => {
    // Few different groups, so that networks nest, touch and repeat.
    const near = fc
      .tuple(
        fc.constantFrom('10.0.0.0', '10.0.1.0', '10.0.1.255', '2001:db8::', '2001:db8::1:0'),
        fc.nat(128),
      )
      .map(([text, bits]) => `${text}/${isIPv4(text) ? bits % 33 : bits}`);
    const candidate = fc.oneof(
      fc.constantFrom('10.0.0.255', '10.0.1.0', '10.0.2.0', '2001:db8::ffff', '2001:db8:0:1::'),
      address,
    );
    fc.assert(
      fc.property(fc.array(near, { maxLength: 12 }), candidate, (texts, text) => {
        const networks = texts.map(each => parseNetwork(each) ?? expect.fail(each));
        const found = parseAddress(text) ?? expect.fail(text);
        const expected = networks.some(network => inNetworks([network])(found));
        expect(inNetworks(networks)(found)).toBe(expected);
      }),
      { numRuns: 3_000 },
    );
  });

  test('are valid exactly if they are valid for Node', () => {
    const written = fc.oneof(
      address,
      fc.string({
        unit: fc.constantFrom('1', '0', 'f', ':', '::', '.', '25', '%', '/'),
        maxLength: 12,
      }),
    );
    fc.assert(
      fc.property(written, text => {
        const known = new BlockList();
        const family = text.includes(':') ? 'ipv6' : 'ipv4';
        const isValid = (() => {
          try {
            known.addAddress(text, family);
            return !text.includes('%');
          } catch {
            return false;
          }
        })();
        expect(parseAddress(text) !== undefined).toBe(isValid);
      }),
      { numRuns: 5_000 },
    );
  });

  const inCidr = (operand: unknown, value: string) => {
    const prepared = OPERATORS.inCidr.prepare(operand);
    return typeof prepared === 'function' ? prepared(value) : prepared.problem;
  };

  test.each([
    ['10.1.2.3/8', '10.255.0.1', true],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '::FFFF:0a01:0203', true],
    ['::ffff:10.1.2.3', '10.1.2.3', true],
    ['::/0', '10.1.2.3', false],
    ['::/0', '::ffff:10.1.2.3', false],
    ['0.0.0.0/0', '::1', false],
    ['64:ff9b::/96', '64:ff9b::10.1.2.3', true],
    [['192.168.0.0/16', '2001:db8::/32'], '2001:db8:ffff::', true],
    [[], '10.0.0.1', false],
    ['10.0.0.0/8', '10.0.0.0/8', false],
  ])('%j contain %s: %s', (operand, value, holds) => {
    expect(inCidr(operand, value)).toBe(holds);
  });

  test.each([
    '',
    '10.0.0',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/',
    '10.0.0.0/255.0.0.0',
    '010.0.0.0/8',
    '10.0.0.256',
    '::1%eth0',
    'fe80::1%1/64',
    '::/129',
    '::ffff:10.0.0.0/104',
    '::ffff:0:0/96',
    '1::2::3',
    ':::',
    '10.0.0.0/-1',
    '1:2:3:4:5:6:7:8::',
    '1:2:3:4:5:6:7',
    '12345::',
    '10.0.0.0/8 ',
    '::10.0.0.1:1',
    '10.0.0.0/1e1',
  ])('reject the operand %j', operand => {
    expect(inCidr(operand, '10.0.0.1')).toMatch(/network/);
  });
});

describe('patterns', () => {
  const problemOf = (pattern: string): string | undefined => {
    const found = compilePattern(pattern, patterns);
    return typeof found === 'function' ? undefined : found.problem;
  };

  test.each([
    '',
    'a{100}',
    '(a{10}){10}',
    'a{50}b{60}',
    '[{]{2}',
    'a{,500}',
    '\\x{100}{2}',
    '\\Q(a{99}){99}\\E{9}',
    '(?i)a|b',
    '(?:a{9}){9}',
    '[[:alpha:]\\]({99}]{99}',
    'a{0,99}',
    '\\\\pN',
    '[\\\\p]',
    '\\Q\\pN(?P<a>\\E',
  ])('are accepted: %j', pattern => {
    expect(problemOf(pattern)).toBeUndefined();
  });

  test.each([
    '\\pN',
    '\\PL',
    '\\p{Greek}',
    '[\\pN]',
    '[^a\\P{L}]',
    '(?P<a>b)',
    '(?<a>b)',
    'a(b(?P<c>d))',
    '\\\\\\pN',
    '[]\\pN]',
    '\\Qa\\E\\pN',
  ])('are rejected outside the subset: %j', pattern => {
    expect(problemOf(pattern)).toMatch(/engines differ/);
  });

  test.each([
    'a{101}',
    '(a{10}){11}',
    '((a{5}){5}){5}',
    'a{0,101}',
    '(a{2}){51,}',
    '(?:a{10}b){11}',
    '(x|a{10}){11}',
    '(a{50})(?i){3}',
    'a{50}(?i){3}',
    '(a{50})\\Q\\E{3}',
    '(a{0}){101}',
    '((a{60}){0}){60}',
    '(a{50})*(?i){3}',
    '(a{20}(b{2}c)){6}',
    '\\x{41}{101}',
    '[a]{101}',
    '\\Qa\\E{101}',
  ])('are rejected for their repeats: %j', pattern => {
    expect(problemOf(pattern)).toMatch(/more than 100 times/);
  });

  test.each([
    '(',
    'a**',
    '(?=a)',
    '(?<=a)',
    '(?!a)',
    '\\1',
    '\\8',
    '[z-a]',
    'a{2}{3}',
    '*',
    '\\Z',
    '\\C',
    '(?P=a)',
    '[a',
    '\\',
  ])('are rejected if RE2 rejects them: %j', pattern => {
    expect(problemOf(pattern)).toMatch(/RE2/);
  });

  test('have at most 256 characters, and an emoji counts as one', () => {
    expect(problemOf('😀'.repeat(256))).toBeUndefined();
    expect(problemOf('😀'.repeat(257))).toMatch(/256 characters/);
  });

  test('search in linear time', () => {
    const found = compilePattern('(a*)*b', patterns);
    const text = 'a'.repeat(100_000);
    expect(typeof found === 'function' && found(text)).toBe(false);
  });

  test('never throw, for any pattern and any text', () => {
    const pattern = fc.oneof(
      fc.string({
        unit: fc.constantFrom(...Array.from('ab(){}[]|*+?^$.\\,-:0129pPCQExiUsm<>=')),
        maxLength: 14,
      }),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    fc.assert(
      fc.property(pattern, fc.string({ unit: 'binary' }), (written, text) => {
        resetWork();
        const found = compilePattern(written, patterns);
        if (typeof found === 'function') expect(typeof found(text)).toBe('boolean');
        else expect(found.problem).not.toBe('');
      }),
      { numRuns: 2_000 },
    );
  });
});
