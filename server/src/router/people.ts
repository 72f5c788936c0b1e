import { KeyId, Person, PersonPatch, strictObject } from '@pennon/schema';

import { deletePerson, getPerson, listPeople, updatePerson } from '../people/people.ts';
import { procedure, router } from './procedure.ts';
import { Nothing, page, paging } from './schemas.ts';

const tag = 'People';

export const people = router({
  list: procedure({
    permission: 'people.manage',
    rest: { method: 'GET', path: '/people', tag, summary: 'List the people who can sign in' },
  })
    .input(strictObject(paging))
    .output(page(Person))
    .query(({ ctx, input }) => listPeople(ctx.services, ctx.caller, input)),

  get: procedure({
    permission: 'people.manage',
    rest: { method: 'GET', path: '/people/{id}', tag, summary: 'Read one person' },
  })
    .input(strictObject({ id: KeyId }))
    .output(Person)
    .query(({ ctx, input }) => getPerson(ctx.services, ctx.caller, input.id)),

  update: procedure({
    permission: 'people.manage',
    rest: {
      method: 'PATCH',
      path: '/people/{id}',
      tag,
      summary: 'Change the name, the roles or the state of a person; disabling ends their sessions',
      example: { grants: [{ environment: 'production', role: 'editor' }] },
    },
  })
    .input(strictObject({ id: KeyId, ...PersonPatch.shape }))
    .output(Person)
    .mutation(({ ctx, input }) => updatePerson(ctx.services, ctx.caller, input)),

  delete: procedure({
    permission: 'people.manage',
    rest: {
      method: 'DELETE',
      path: '/people/{id}',
      tag,
      summary: 'Delete a person with their sessions and personal tokens',
    },
  })
    .input(strictObject({ id: KeyId }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deletePerson(ctx.services, ctx.caller, input.id)),
});
