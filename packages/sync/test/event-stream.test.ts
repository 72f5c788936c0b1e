import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { createEventParser } from '../src/event-stream.ts';

type StreamEvent = {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
};

const parse = (parts: readonly string[]): StreamEvent[] => {
  const events: StreamEvent[] = [];
  const feed = createEventParser((event, data, id) => events.push({ event, id, data }));
  for (const part of parts) feed(part);
  return events;
};

it('an event has its name, its id and its lines of data', () => {
  const text =
    ': comment\nevent: change\nid: 7\ndata: {\ndata: }\n\ndata\n\nevent: none\n\ndata: cut';
  expect(parse([text])).toEqual([
    { event: 'change', id: '7', data: '{\n}' },
    { event: '', id: undefined, data: '' },
  ]);
});

it.each(['\n', '\r\n', '\r'])('lines may end with %j', end => {
  const text = ['event: set', 'id: a', 'data: x', '', 'data: y', '', ''].join(end);
  const events = [
    { event: 'set', id: 'a', data: 'x' },
    { event: '', id: undefined, data: 'y' },
  ];
  expect(parse([text])).toEqual(events);
  expect(parse(text.split(''))).toEqual(events);
});

it.each([
  ['a comment', ': alive\n\n', false],
  ['the start of a comment', ': al', false],
  ['empty lines', '\n\r\n\r', false],
  ['nothing', '', false],
  ['a line of an event', 'data: x\n', true],
  ['a part of a line', 'da', true],
  ['a comment and an event', ': alive\n\ndata: x\n\n', true],
])('%s counts as a part of an event only if it is one', (_, text, isPart) => {
  expect(createEventParser(() => {})(text)).toBe(isPart);
});

/** Returns the events that a library finds, which are those of the standard. */
const parseWithLibrary = (text: string): StreamEvent[] => {
  const events: StreamEvent[] = [];
  const parser = createParser({
    onEvent: ({ event = '', id, data }) => events.push({ event, id, data }),
  });
  // A line that ends the text ends the library's last line, too.
  parser.feed(text);
  return events;
};

const line = fc.oneof(
  fc.constant(''),
  fc.constantFrom('data', 'id', 'event', ':', 'other', ' data'),
  fc
    .tuple(
      fc.constantFrom('data', 'data', 'id', 'event', '', 'retry', 'other'),
      fc.constantFrom(':', ': ', ':  '),
      fc.constantFrom('', 'x', 'a: b', '{"a":1}', ' ', 'é𝄞'),
    )
    .map(parts => parts.join('')),
);
const stream = fc
  .array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\r')), { maxLength: 30 })
  .map(lines => `${lines.flat().join('')}\n`);

it('the events of any stream, in any parts, are those of the standard', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat({ max: 400 })), (text, cuts) => {
      const ends = [...cuts.filter(cut => cut < text.length), text.length].toSorted(
        (a, b) => a - b,
      );
      const parts = ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end));
      expect(parse(parts)).toEqual(parseWithLibrary(text));
    }),
  );
});
