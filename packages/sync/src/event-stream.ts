/** An event of a stream, without the fields that no resource uses. */
export type StreamEvent = {
  /** The name of the event; empty if the stream did not name it. */
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
};

export type EventParser = {
  /**
   * Parses the next part of the stream. Parts may end anywhere. Returns whether the part has some of an event, and
   * not only comments and empty lines, which a proxy may send although the server is away.
   */
  readonly feed: (text: string) => boolean;
};

/**
 * Parses a stream of server-sent events. Takes time linear in the text, also if one line arrives in many parts.
 * A library would do more, and be a sixth of the provider for browsers.
 */
export const createEventParser = (onEvent: (event: StreamEvent) => void): EventParser => {
  let line = '';
  let endsWithReturn = false;
  let fields: Record<string, string | undefined> = {};
  let data: string[] = [];
  let hasField = false;

  const dispatch = () => {
    const { event = '', id } = fields;
    const lines = data;
    fields = {};
    data = [];
    if (lines.length > 0) onEvent({ event, id, data: lines.join('\n') });
  };
  const readLine = (text: string) => {
    if (text === '') return dispatch();
    const [, name = '', value = ''] = /^([^:]*)(?:: ?)?([^]*)$/.exec(text) ?? [];
    if (name === 'data') data.push(value);
    else fields[name] = value;
    hasField ||= name !== '';
  };
  return {
    feed(text) {
      hasField = false;
      if (text === '') return hasField;
      // Both characters of one line break may arrive in different parts.
      const rest = endsWithReturn && text.startsWith('\n') ? text.slice(1) : text;
      endsWithReturn = text.endsWith('\r');
      const lines = rest.split(/\r\n|\r|\n/);
      const last = lines.pop() ?? '';
      for (const each of lines) {
        readLine(line + each);
        line = '';
      }
      line += last;
      return hasField || (last !== '' && !line.startsWith(':'));
    },
  };
};
