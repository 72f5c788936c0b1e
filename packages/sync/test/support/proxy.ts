import { createServer, request as ask } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to an answer on its way. */
export type Fault =
  /** The connection breaks before anything is answered. */
  | { readonly type: 'cut' }
  /** The connection is accepted, and nothing is ever said. */
  | { readonly type: 'stall' }
  /** The answer breaks off in the middle. */
  | { readonly type: 'truncate'; readonly bytes: number }
  /** Of each two server-sent events, the second comes first. */
  | { readonly type: 'reorder' }
  /** Another answer than the server's. */
  | {
      readonly type: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    };

export type Seen = { readonly method: string; readonly path: string; readonly at: number };

/** Stands between a client and a real server, and does to their traffic what a bad network does. */
export type Proxy = {
  readonly url: string;
  /** What happens from now on to requests whose path matches; all of them unless said. */
  disturb(fault: Fault, path?: RegExp): void;
  /** From now on everything passes as it is. What was stalled stays so. */
  heal(): void;
  /** Breaks every connection that stands. */
  cut(): void;
  /** Every answer under way falls silent; its connection stays open. */
  freeze(): void;
  /** Stands before another server from now on. */
  retarget(url: string): void;
  /** Requests in the order in which they came, disturbed ones too. */
  readonly seen: readonly Seen[];
  /** Requests whose answers have not closed. */
  readonly underWay: () => number;
  readonly count: (path: RegExp) => number;
  /** All that clients got to read: heads and bodies. */
  readonly transcript: () => string;
  close(): Promise<void>;
};

/** What passes an answer on, piece by piece. */
type Relay = { pass(text: Buffer): void; end(): void };

const straight = (response: ServerResponse): Relay => ({
  pass: text => void response.write(text),
  end: () => void response.end(),
});

const truncated = (response: ServerResponse, bytes: number): Relay => {
  let left = bytes;
  return {
    pass(text) {
      response.write(text.subarray(0, left), () => {
        if (left <= 0) response.destroy();
      });
      left -= text.length;
    },
    end: () => void response.destroy(),
  };
};

const reordered = (response: ServerResponse): Relay => {
  let text = '';
  let held: string | undefined;
  const send = (frame: string) => {
    if (held === undefined) held = frame;
    else {
      response.write(`${frame}${held}`);
      held = undefined;
    }
  };
  return {
    pass(piece) {
      text += piece.toString();
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        send(text.slice(0, end + 2));
        text = text.slice(end + 2);
      }
    },
    end: () => void response.end(held),
  };
};

const relayFor = (response: ServerResponse, fault: Fault | undefined): Relay => {
  if (fault?.type === 'truncate') return truncated(response, fault.bytes);
  return fault?.type === 'reorder' ? reordered(response) : straight(response);
};

/** Starts a proxy on a free port of this machine. */
export const startProxy = async (target: string): Promise<Proxy> => {
  const seen: Seen[] = [];
  const read: string[] = [];
  const underWay = new Set<ServerResponse>();
  const frozen = new WeakSet<ServerResponse>();
  let faults: { readonly fault: Fault; readonly path: RegExp }[] = [];
  let to = target;

  const forward = (
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ) => {
    const { method, headers, url = '/' } = request;
    const onward = ask(new URL(url, to), {
      method,
      headers: { ...headers, host: new URL(to).host },
    });
    onward.on('response', answer => {
      read.push(JSON.stringify(answer.headers));
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      const relay = relayFor(response, fault);
      answer.on('data', (piece: Buffer) => {
        if (frozen.has(response)) return;
        read.push(piece.toString());
        relay.pass(piece);
      });
      answer.on('end', () => {
        if (!frozen.has(response)) relay.end();
      });
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  };

  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '/';
    seen.push({ method: request.method ?? '', path, at: Date.now() });
    underWay.add(response);
    response.on('close', () => underWay.delete(response));
    const fault = faults.find(candidate => candidate.path.test(path))?.fault;
    if (fault?.type === 'stall') return;
    if (fault?.type === 'cut') return void response.destroy();
    if (fault?.type === 'answer') {
      request.resume();
      return void response.writeHead(fault.status, fault.headers).end(fault.body);
    }
    forward(request, response, fault);
  };

  const server = createServer(serve);
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    for (const response of underWay) response.destroy();
  };

  return {
    url: `http://127.0.0.1:${port}`,
    disturb: (fault, path = /./) => void faults.unshift({ fault, path }),
    heal: () => void (faults = []),
    cut,
    freeze() {
      for (const response of underWay) frozen.add(response);
    },
    retarget: url => void (to = url),
    seen,
    underWay: () => underWay.size,
    count: path => seen.filter(request => path.test(request.path)).length,
    transcript: () => read.join(''),
    async close() {
      server.close();
      server.closeAllConnections();
      cut();
    },
  };
};
