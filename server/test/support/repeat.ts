import { Agent, request } from 'node:http';

/** What a client received: a status with the header `connection`, or the code of a network error. */
export type Outcome = {
  readonly status: number | string;
  readonly connection?: string | undefined;
  readonly body?: string;
};

/** Sends a request. Resolves also if it fails. */
const exchange = (agent: Agent, url: string, { method = 'GET', key = '', body = '' } = {}) =>
  new Promise<Outcome>(resolve => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const sent = request(url, { agent, method, headers }, response => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', error => resolve({ status: error.message }));
      response.on('end', () => {
        const { statusCode = 0, headers: received } = response;
        resolve({ status: statusCode, connection: received.connection, body: text });
      });
    });
    sent.on('error', (error: Error & { code?: string }) =>
      resolve({ status: error.code ?? error.message }),
    );
    sent.end(body);
  });

export type RepeatOptions = {
  readonly method?: string;
  readonly key?: string;
  readonly body?: string;
  /** If false, each request has a connection of its own. */
  readonly keepAlive?: boolean;
  /** Ends the requests. */
  readonly until: AbortSignal;
  readonly onOutcome?: (outcome: Outcome) => void;
};

/** Sends a request again and again, without a pause. Resolves to all outcomes. */
export const repeat = async (
  url: string,
  { keepAlive = true, until, onOutcome, ...options }: RepeatOptions,
): Promise<readonly Outcome[]> => {
  const agent = new Agent({ keepAlive, maxSockets: 1 });
  const outcomes: Outcome[] = [];
  while (!until.aborted) {
    const outcome = await exchange(agent, url, options);
    outcomes.push(outcome);
    onOutcome?.(outcome);
  }
  agent.destroy();
  return outcomes;
};
