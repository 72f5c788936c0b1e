import { useNavigate } from '@tanstack/react-router';

import { Later, lazyPart } from '../components/part.tsx';

const RampDialog = lazyPart(async () => (await import('../ramps/ramp-dialog.tsx')).RampDialog);

/** What is released step by step: an existing rule, or a new one. */
export type Release = { readonly rule: string | undefined };

type ReleaseDialogProps = {
  readonly environment: string;
  readonly flag: string;
  readonly release: Release | undefined;
  readonly onClose: () => void;
};

/** Makes a ramp for a flag, and opens its page. */
export const ReleaseDialog = ({ environment, flag, release, onClose }: ReleaseDialogProps) => {
  const navigate = useNavigate();
  const open = (key: string): void =>
    void navigate({
      to: '/experiments/ramps/$key',
      params: { key },
      search: { env: environment },
    });
  return (
    <Later isNeeded={release !== undefined}>
      <RampDialog
        environment={environment}
        flag={flag}
        rule={release?.rule}
        isOpen={release !== undefined}
        onClose={onClose}
        onSaved={open}
      />
    </Later>
  );
};
