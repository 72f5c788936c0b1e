import { createCopier } from './copy.ts';
import { createPlanner } from './plan.ts';
import { createReader } from './read.ts';
import type { ResourceName, ResourceServices, ResourceType } from './resource-type.ts';
import { createWriter } from './write.ts';

/**
 * The use cases of one resource type. Flags and segments are created, changed, copied, deleted and listed
 * in the same way; `type` holds what differs.
 */
export const createResourceService = <Name extends ResourceName>(
  type: ResourceType<Name>,
  services: ResourceServices,
) => {
  const planner = createPlanner(type, services);
  return {
    ...createReader(type, services),
    ...createWriter(type, services, planner),
    copy: createCopier(type, services, planner),
  };
};
