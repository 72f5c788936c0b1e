/** Receives an event of a stream, whose name is empty if the stream did not name it. */
export type OnStreamEvent = (event: string, data: string, id: string | undefined) => void;

/**
 * Returns a function that parses the next part of a stream of server-sent events. Parts may end anywhere. It returns
 * whether the part has some of an event, and not only comments and empty lines, which a proxy may send although the
 * server is away. Takes time linear in the text, also if one line arrives in many parts. A library would do more, and
 * be a sixth of the provider for browsers.
 */
export const createEventParser = (onEvent: OnStreamEvent): ((text: string) => boolean) => {
  let line = '';
  let endsWithReturn = false;
  let fields: Record<string, string | undefined> = {};
  let data: string[] = [];
  let hasField = false;

  const readLine = (text: string) => {
    if (text === '') {
      const { event = '', id } = fields;
      const lines = data;
      fields = {};
      data = [];
      if (lines.length > 0) onEvent(event, lines.join('\n'), id);
      return;
    }
    const [, name = '', value = ''] = /^([^:]*)(?:: ?)?([^]*)$/.exec(text) ?? [];
    if (name === 'data') data.push(value);
    else fields[name] = value;
    hasField ||= name !== '';
  };
  return text => {
    hasField = false;
    if (text === '') return false;
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
  };
};
