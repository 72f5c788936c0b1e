import { createServer, request as sendRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the proxy does to a request or its response. */
export type Fault =
  /** Breaks the connection before any response. */
  | { readonly type: 'cut' }
  /** Accepts the request and never responds. */
  | { readonly type: 'stall' }
  /** Breaks the connection after part of the response. */
  | { readonly type: 'truncate'; readonly bytes: number }
  /** Swaps each two server-sent events. */
  | { readonly type: 'reorder' }
  /** Sends this response instead of the server's. */
  | {
      readonly type: 'respond';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    };

export type ProxiedRequest = {
  readonly method: string;
  readonly path: string;
  readonly at: number;
  /** The body, of a request that the proxy responds to itself. */
  body: string;
};

/** An HTTP proxy in front of a real server, which can behave like a bad network. */
export type Proxy = {
  readonly url: string;
  /** Applies a fault to all requests from now on, or to those that match `path`. */
  injectFault(fault: Fault, path?: RegExp): void;
  /** Stops applying faults. Requests that were stalled stay so. */
  clearFaults(): void;
  /** Breaks every open connection. */
  cutConnections(): void;
  /** Stops forwarding the responses in flight, but keeps their connections open. */
  freeze(): void;
  /** Forwards to another server from now on. */
  retarget(url: string): void;
  /** All requests in the order of their arrival, including those with faults. */
  readonly requests: readonly ProxiedRequest[];
  /** Returns the number of responses that are not complete. */
  readonly inFlight: () => number;
  /** Returns the number of requests that match `path`. */
  readonly count: (path: RegExp) => number;
  /** Returns everything that clients have received: headers and bodies. */
  readonly transcript: () => string;
  close(): Promise<void>;
};

/** Forwards a response body chunk by chunk. */
type Relay = { forward(chunk: Buffer): void; end(): void };

const unchanged = (response: ServerResponse): Relay => ({
  forward: chunk => void response.write(chunk),
  end: () => void response.end(),
});

const truncated = (response: ServerResponse, bytes: number): Relay => {
  let left = bytes;
  return {
    forward(chunk) {
      response.write(chunk.subarray(0, left), () => {
        if (left <= 0) response.destroy();
      });
      left -= chunk.length;
    },
    end: () => void response.destroy(),
  };
};

const reordered = (response: ServerResponse): Relay => {
  let text = '';
  let delayed: string | undefined;
  const send = (frame: string) => {
    if (delayed === undefined) delayed = frame;
    else {
      response.write(`${frame}${delayed}`);
      delayed = undefined;
    }
  };
  return {
    forward(chunk) {
      text += chunk.toString();
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        send(text.slice(0, end + 2));
        text = text.slice(end + 2);
      }
    },
    end: () => void response.end(delayed),
  };
};

const relayFor = (response: ServerResponse, fault: Fault | undefined): Relay => {
  if (fault?.type === 'truncate') return truncated(response, fault.bytes);
  return fault?.type === 'reorder' ? reordered(response) : unchanged(response);
};

/** Starts a proxy on a free port of this machine. */
export const startProxy = async (initialTarget: string): Promise<Proxy> => {
  const requests: ProxiedRequest[] = [];
  const received: string[] = [];
  const inFlight = new Set<ServerResponse>();
  const frozen = new WeakSet<ServerResponse>();
  let faults: { readonly fault: Fault; readonly path: RegExp }[] = [];
  let target = initialTarget;

  const forward = (
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ) => {
    const { method, headers, url = '/' } = request;
    const forwarded = sendRequest(new URL(url, target), {
      method,
      headers: { ...headers, host: new URL(target).host },
    });
    forwarded.on('response', upstream => {
      received.push(JSON.stringify(upstream.headers));
      response.writeHead(upstream.statusCode ?? 502, upstream.headers);
      response.flushHeaders();
      const relay = relayFor(response, fault);
      upstream.on('data', (chunk: Buffer) => {
        if (frozen.has(response)) return;
        received.push(chunk.toString());
        relay.forward(chunk);
      });
      upstream.on('end', () => {
        if (!frozen.has(response)) relay.end();
      });
      upstream.on('error', () => response.destroy());
    });
    forwarded.on('error', () => response.destroy());
    response.on('close', () => forwarded.destroy());
    request.pipe(forwarded);
  };

  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '/';
    const proxied: ProxiedRequest = {
      method: request.method ?? '',
      path,
      at: Date.now(),
      body: '',
    };
    requests.push(proxied);
    inFlight.add(response);
    response.on('close', () => inFlight.delete(response));
    const fault = faults.find(candidate => candidate.path.test(path))?.fault;
    if (fault?.type === 'stall') return;
    if (fault?.type === 'cut') return void response.destroy();
    if (fault?.type === 'respond') {
      request.on('data', (chunk: Buffer) => (proxied.body += chunk.toString()));
      request.on('end', () => response.writeHead(fault.status, fault.headers).end(fault.body));
      return;
    }
    forward(request, response, fault);
  };

  const server = createServer(serve);
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const cutConnections = () => {
    for (const response of inFlight) response.destroy();
  };

  return {
    url: `http://127.0.0.1:${port}`,
    injectFault: (fault, path = /./) => void faults.unshift({ fault, path }),
    clearFaults: () => void (faults = []),
    cutConnections,
    freeze() {
      for (const response of inFlight) frozen.add(response);
    },
    retarget: url => void (target = url),
    requests,
    inFlight: () => inFlight.size,
    count: path => requests.filter(request => path.test(request.path)).length,
    transcript: () => received.join(''),
    async close() {
      server.close();
      server.closeAllConnections();
      cutConnections();
    },
  };
};
