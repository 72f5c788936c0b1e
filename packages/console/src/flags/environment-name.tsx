import type { Environment } from './overview.ts';

/** The name of an environment in its colour. */
export const EnvironmentName = ({ environment }: { readonly environment: Environment }) => (
  <span className="environment" data-color={environment.color ?? 'gray'}>
    <bdi className="clipped">{environment.name ?? environment.key}</bdi>
  </span>
);
