import { request } from 'node:http';

/** An open stream. */
export type Reader = {
  /** Calls `onEvent` with the name of each event from now on. */
  readonly listen: (onEvent: (name: string) => void) => void;
  readonly close: () => void;
};

const openReader = (url: string, key: string, index: number): Promise<Reader> =>
  new Promise((resolve, reject) => {
    const isFlagSet = key.startsWith('the-admin');
    const path = isFlagSet ? 'flag-set/stream' : 'evaluations/stream';
    const sent = request(`${url}/api/v1/${path}?environment=production`, {
      method: isFlagSet ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      agent: false,
    });
    let onEvent: (name: string) => void = () => undefined;
    const reader: Reader = {
      listen: listener => (onEvent = listener),
      close: () => void sent.destroy(),
    };
    sent.once('error', reject);
    sent.once('response', response => {
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        const [, name] = /^event: (\w+)/m.exec(text) ?? [];
        if (name !== undefined) onEvent(name);
        resolve(reader);
      });
      response.on('error', () => undefined);
    });
    const context = { targetingKey: `user-${index}`, plan: 'pro', country: 'DE' };
    sent.end(isFlagSet ? undefined : JSON.stringify({ context }));
  });

/** Opens streams, and resolves once each has received its first event. */
export const openReaders = (url: string, key: string, count: number): Promise<Reader[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => openReader(url, key, index)));

/** Resolves once each stream has received an event with this name. */
export const readUntil = async (readers: readonly Reader[], name: string): Promise<void> => {
  await Promise.all(
    readers.map(
      ({ listen }) =>
        new Promise<void>(resolve => listen(received => received === name && resolve())),
    ),
  );
};
