import { checkShortForm, Key, Name, RuleInput, strictObject } from '@pennon/schema';
import { z } from 'zod';

import { flagResource } from '../flags/flag.ts';
import { addRule, deleteRule, updateRule, updateRuleMembers } from '../flags/rules.ts';
import type { WriteResult } from '../resources/plan.ts';
import type { Documents } from '../store/store.ts';
import { inSlices } from './output.ts';
import { procedure, router, type Context, type RestMeta } from './procedure.ts';
import { environment, flagWriteOptions, ifMatch, memberChange, requireMembers } from './schemas.ts';

const POSITION = 'must be an index from 0, {"before": "<rule id>"} or {"after": "<rule id>"}';

const position = z
  .union([z.int().min(0), strictObject({ before: Name }), strictObject({ after: Name })], {
    error: POSITION,
  })
  .optional()
  .describe('The place of the rule: its index, or the id of the rule that it is before or after.');

const ruleWriteFields = {
  ...environment,
  ...ifMatch,
  ...flagWriteOptions,
  key: Key,
  defaultVariant: Name.nullish().describe('Sets the default variant in the same change.'),
};

/** Returns the procedures for single rules of a flag. Each returns the whole flag. */
export const ruleRouter = <Single>(
  response: z.ZodType<Single, WriteResult<Documents['flags']>>,
) => {
  const rulesPath = '/flags/{key}/rules';
  const rulePath = `${rulesPath}/{id}`;
  const contextOf = ({ services }: Context) => ({ ...services, type: flagResource });
  const writeProcedure = (rest: Omit<RestMeta, 'tag'>) =>
    procedure({ permission: 'flags.write', rest: { ...rest, tag: 'Flags' } });
  // tRPC cannot check a result against a generic schema; the parameter type above replaces that check.
  const flag = inSlices<unknown, Single>(response);

  return router({
    addRule: writeProcedure({
      method: 'POST',
      status: 201,
      path: rulesPath,
      summary: 'Add a rule to a flag, at the end or at a position',
    })
      .input(
        strictObject({ ...ruleWriteFields, ...RuleInput.shape, position }).superRefine(
          checkShortForm,
        ),
      )
      .output(flag)
      .mutation(({ ctx, input }) => addRule(contextOf(ctx), ctx.caller, input)),

    updateRule: writeProcedure({
      method: 'PATCH',
      path: rulePath,
      summary: 'Change some fields of a rule, or move it',
    })
      .input(
        strictObject({ ...ruleWriteFields, ...RuleInput.shape, id: Name, position }).superRefine(
          checkShortForm,
        ),
      )
      .output(flag)
      .mutation(({ ctx, input }) => updateRule(contextOf(ctx), ctx.caller, input)),

    deleteRule: writeProcedure({
      method: 'DELETE',
      path: rulePath,
      summary: 'Remove a rule from a flag',
    })
      .input(strictObject({ ...ruleWriteFields, id: Name }))
      .output(flag)
      .mutation(({ ctx, input }) => deleteRule(contextOf(ctx), ctx.caller, input)),

    updateRuleMembers: writeProcedure({
      method: 'POST',
      path: `${rulePath}/members`,
      summary: 'Add members to the list of a rule, and remove members from it',
    })
      .input(
        strictObject({
          ...environment,
          ...ifMatch,
          key: Key,
          id: Name,
          ...memberChange,
        }).superRefine(requireMembers),
      )
      .output(flag)
      .mutation(({ ctx, input }) => updateRuleMembers(contextOf(ctx), ctx.caller, input)),
  });
};
