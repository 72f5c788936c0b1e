import { ErrorCode } from '@openfeature/web-sdk';
import { describe, expect, it } from 'vitest';

import { served, startApplication } from './support/application.ts';

const bootstrap = {
  revision: 1,
  evaluations: {
    yes: served(true, { reason: 'TARGETING_MATCH', ruleId: 'r1' }),
    text: served('red', {
      reason: 'SPLIT',
      variant: 'b',
      metadata: { team: 'shop', tier: 1, beta: true },
    }),
    number: served(0.5),
    object: served({ deep: { list: [1, null, 'x'] } }),
    disabled: {
      flagKey: 'disabled',
      enabled: false,
      reason: 'DISABLED',
      metadata: { team: 'shop' },
    },
    broken: {
      flagKey: 'broken',
      enabled: false,
      reason: 'ERROR',
      errorCode: 'PARSE_ERROR',
      errorMessage: 'rules.0: no such operator',
    },
    newer: { flagKey: 'newer', enabled: false, reason: 'ERROR', errorCode: 'OF_A_LATER_RELEASE' },
  },
};
const { client } = startApplication({ bootstrap });

describe('a resolution', () => {
  it('has the value, the variant and the reason for each type of flag, and no error', () => {
    expect(client.getBooleanDetails('yes', false)).toEqual({
      flagKey: 'yes',
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
      flagMetadata: { ruleId: 'r1' },
    });
    expect(client.getStringValue('text', '')).toBe('red');
    expect(client.getNumberValue('number', 0)).toBe(0.5);
    expect(client.getObjectValue('object', {})).toEqual({ deep: { list: [1, null, 'x'] } });
  });

  it('has the metadata of its flag: strings, numbers and booleans', () => {
    expect(client.getStringDetails('text', '').flagMetadata).toEqual({
      team: 'shop',
      tier: 1,
      beta: true,
    });
  });

  it('has metadata with the names of what telemetry reads, if there is nothing else of that name', () => {
    const metadata = { version: 'theirs', experiment: 'spring', flagSetId: 'f', ruleId: 'r' };
    const evaluations = { f: served(true, { metadata }) };
    const application = startApplication({ bootstrap: { revision: 1, evaluations } });
    expect(application.client.getBooleanDetails('f', false).flagMetadata).toEqual(metadata);
  });

  it('has the version, the rule and the flag set, which telemetry reads', () => {
    const evaluations = {
      f: served(true, { version: 4, ruleId: 'r1', metadata: { team: 'shop', version: 'theirs' } }),
      off: { enabled: false, reason: 'DISABLED', version: 2 },
    };
    const values = { revision: 1, environment: 'production', evaluations };
    const application = startApplication({ bootstrap: values });
    const metadataOf = (key: string) =>
      application.client.getBooleanDetails(key, false).flagMetadata;
    expect(metadataOf('f')).toEqual({
      team: 'shop',
      version: 4,
      ruleId: 'r1',
      flagSetId: 'production',
    });
    expect(metadataOf('off')).toEqual({ version: 2, flagSetId: 'production' });
  });

  it('of a flag that serves no variant is the default, with the reason and no error', () => {
    expect(client.getStringDetails('disabled', 'mine')).toEqual({
      flagKey: 'disabled',
      value: 'mine',
      reason: 'DISABLED',
      flagMetadata: { team: 'shop' },
    });
  });

  it('with the wrong type is the default, with the error TYPE_MISMATCH', () => {
    const { BOOLEAN, STRING, NUMBER, OBJECT } = {
      BOOLEAN: client.getBooleanDetails('text', true),
      STRING: client.getStringDetails('number', 'mine'),
      NUMBER: client.getNumberDetails('object', 7),
      OBJECT: client.getObjectDetails('yes', { mine: true }),
    };
    for (const { errorCode, reason } of [BOOLEAN, STRING, NUMBER, OBJECT]) {
      expect([errorCode, reason]).toEqual([ErrorCode.TYPE_MISMATCH, 'ERROR']);
    }
    expect([BOOLEAN.value, STRING.value, NUMBER.value, OBJECT.value]).toEqual([
      true,
      'mine',
      7,
      { mine: true },
    ]);
    expect(STRING.errorMessage).toBe('flag "number" is not of the type string');
  });

  it.each(['none', 'constructor', '__proto__', 'toString', ''])(
    'of the unknown key "%s" is the default, with the error FLAG_NOT_FOUND',
    key => {
      expect(client.getBooleanDetails(key, true)).toMatchObject({
        value: true,
        errorCode: ErrorCode.FLAG_NOT_FOUND,
        errorMessage: `there is no flag "${key}"`,
      });
    },
  );

  it('of a flag that the server could not evaluate is the default, with the error of the server', () => {
    expect(client.getBooleanDetails('broken', true)).toMatchObject({
      value: true,
      errorCode: ErrorCode.PARSE_ERROR,
      errorMessage: 'rules.0: no such operator',
    });
    expect(client.getBooleanDetails('newer', true)).toMatchObject({ errorCode: ErrorCode.GENERAL });
  });
});
