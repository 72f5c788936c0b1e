import {
  buildRequest,
  toSyncError,
  backoffDelay,
  createConnectionScope,
  rejectedKeyDelay,
} from '@pennon/sync';
import type { Address, ConnectionScope, SyncError, Runtime } from '@pennon/sync';
import type { Evaluation } from '@pennon/schema';

import { unavailable } from './answer.ts';
import type { Answer } from './answer.ts';
import { createAnswerCache } from './answer-cache.ts';

/** Asks the server for each decision, and remembers what it answered. */
export type Remote = {
  /** `otherwise` decides where the server cannot be asked; where it cannot either, an old answer has to do. */
  ask(flagKey: string, context: unknown, otherwise: () => Evaluation | undefined): Promise<Answer>;
  /** Asks nothing, to see whether the server would answer this key. Answers what went wrong. */
  probe(): Promise<SyncError | undefined>;
  /** The flags that changed: their answers are asked for anew. */
  drop(flagKeys: readonly string[]): void;
  /** What went wrong last, while the server is not asked because of it. */
  readonly trouble: () => SyncError | undefined;
  close(): void;
};

export type RemoteOptions = Address & {
  readonly cacheTtlMs: number;
  readonly cacheEntries: number;
  readonly requestTimeoutMs: number;
  /** The revision that is known from elsewhere; an answer of an older one is not kept. */
  readonly revision: () => number | undefined;
  /** Told when trouble comes or goes. */
  readonly onTrouble: () => void;
};

type Reply = {
  readonly revision: number;
  readonly evaluations: Readonly<Record<string, Evaluation>>;
};

/** The envelope only: what an evaluation is, the server's schema says. */
const isReply = (value: unknown): value is Reply =>
  typeof value === 'object' && value !== null && 'revision' in value && 'evaluations' in value;

/** Stands for numbers that JSON cannot say; nobody can have written it. Made when there is such a number. */
let notFinite: string | undefined;
const standIn = (): string => (notFinite ??= `not finite ${crypto.randomUUID()}`);

/** An object whose names stand in one order, whatever order they came in. */
const sorted = (value: object): object =>
  Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));

const canonical = (_: string, value: unknown): unknown => {
  if (typeof value === 'number') return Number.isFinite(value) ? value : standIn();
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? sorted(value)
    : value;
};

/** An infinite attribute is not the same as null, which gives way to a dotted path: it reads as infinite. */
const bodyOf = (flagKeys: readonly string[], context: unknown): string => {
  const body = JSON.stringify({ flagKeys, context }, canonical);
  return notFinite === undefined ? body : body.replaceAll(`"${notFinite}"`, '1e999');
};

const NO_JSON = 'the evaluation context cannot be sent as JSON: it contains itself, or is endless';

/** The request's body, which at once is what an answer is remembered by. */
const questionOf = (flagKey: string, context: unknown): string | undefined => {
  try {
    return bodyOf([flagKey], context);
  } catch {
    return undefined;
  }
};

type Send = (body: string) => Promise<Reply>;

const createSend =
  (life: ConnectionScope, { now }: Runtime, options: RemoteOptions): Send =>
  async body => {
    let text = '';
    const deadline = now() + options.requestTimeoutMs;
    await life.send(
      buildRequest(options, 'evaluations', { body }),
      options.requestTimeoutMs,
      part => {
        text += part;
        return deadline - now();
      },
    );
    const reply: unknown = JSON.parse(text);
    if (!isReply(reply)) throw new Error('what came is no answer of the server');
    return reply;
  };

/** The question itself was refused: other questions may well be answered. */
const isOurFault = ({ status }: SyncError): boolean => status === 400 || status === 413;

/** After trouble the server is left alone for a while, in which nobody waits for it in vain. */
const createFuse = (
  life: ConnectionScope,
  { now, random }: Runtime,
  { requestTimeoutMs, onTrouble }: RemoteOptions,
) => {
  let trouble: SyncError | undefined;
  let failures = 0;
  let openAt = 0;
  return {
    trouble: () => trouble,
    /** What is in the way of asking. When the while is over, one question is the trial for all others. */
    block(): SyncError | undefined {
      if (trouble === undefined || now() < openAt) return trouble;
      openAt = now() + requestTimeoutMs;
      return undefined;
    },
    blow(error: SyncError) {
      trouble = error;
      openAt =
        now() +
        Math.max(
          life.retryAfterMs(),
          rejectedKeyDelay(error, random),
          backoffDelay(failures, random),
        );
      failures += 1;
      onTrouble();
    },
    mend() {
      if (trouble === undefined) return;
      trouble = undefined;
      failures = 0;
      onTrouble();
    },
  };
};

/** What became of a question. */
type Asked = { readonly answer: Evaluation } | { readonly error: SyncError };

type RequestSpec = (flagKey: string, question: string) => Promise<Evaluation>;

/** Whoever asks the same at the same time gets the same answer. */
const shared = (ask: RequestSpec): RequestSpec => {
  const underWay = new Map<string, Promise<Evaluation>>();
  return (flagKey, question) => {
    const asked =
      underWay.get(question) ?? ask(flagKey, question).finally(() => underWay.delete(question));
    underWay.set(question, asked);
    return asked;
  };
};

const answerIn = ({ evaluations }: Reply, flagKey: string): Evaluation => {
  const answer = Object.hasOwn(evaluations, flagKey) ? evaluations[flagKey] : undefined;
  if (answer === undefined) throw new Error(`the server did not answer for "${flagKey}"`);
  return answer;
};

/** The server's answers, remembered for as long as nothing changes. */
const createAnswers = (send: Send, now: () => number, options: RemoteOptions) => {
  const { cacheEntries, cacheTtlMs, revision } = options;
  const cache = createAnswerCache(cacheEntries, cacheTtlMs, now);
  let drops = 0;

  /** One that was on its way while flags changed, or that comes from a server that lags, is not kept. */
  const isCurrent = (reply: Reply, dropsBefore: number) =>
    drops === dropsBefore && reply.revision >= (revision() ?? 0);

  return {
    fresh: cache.fresh,
    any: cache.any,
    ask: shared(async (flagKey, question) => {
      const before = drops;
      const reply = await send(question);
      const answer = answerIn(reply, flagKey);
      if (isCurrent(reply, before)) cache.keep(question, answer);
      return answer;
    }),
    drop(flagKeys: readonly string[]) {
      drops += 1;
      cache.drop(flagKeys);
    },
  };
};

export const createRemote = (options: RemoteOptions, world: Runtime): Remote => {
  const life = createConnectionScope(world);
  const fuse = createFuse(life, world, options);
  const send = createSend(life, world, options);
  const answers = createAnswers(send, world.now, options);

  const instead = (flagKey: string, question: string, error: SyncError): Answer => {
    if (isOurFault(error)) return unavailable(flagKey, 'INVALID_CONTEXT', error.message);
    return answers.any(question) ?? unavailable(flagKey, 'GENERAL', error.message);
  };

  /** The server's answer, or what was in the way of it. */
  const tryToAsk = async (flagKey: string, question: string): Promise<Asked> => {
    const block = fuse.block();
    if (block !== undefined) return { error: block };
    try {
      const answer = await answers.ask(flagKey, question);
      fuse.mend();
      return { answer };
    } catch (thrown) {
      const error = toSyncError(thrown);
      if (!isOurFault(error) && !life.isClosed()) fuse.blow(error);
      return { error };
    }
  };

  return {
    async ask(flagKey, context, otherwise) {
      const question = questionOf(flagKey, context);
      if (question === undefined) return unavailable(flagKey, 'INVALID_CONTEXT', NO_JSON);
      const known = answers.fresh(question);
      if (known !== undefined) return known;
      const asked = await tryToAsk(flagKey, question);
      return 'answer' in asked
        ? asked.answer
        : (otherwise() ?? instead(flagKey, question, asked.error));
    },
    probe: () =>
      send(bodyOf([], {})).then(
        () => undefined,
        (thrown: unknown) => toSyncError(thrown),
      ),
    drop: flagKeys => answers.drop(flagKeys),
    trouble: fuse.trouble,
    close: life.close,
  };
};
