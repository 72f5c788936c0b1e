import { useId, useRef, useState } from 'react';

import { t } from '../i18n/i18n.ts';
import { Dialog } from './dialog.tsx';

type SecretDialogProps = {
  /** Undefined if the dialog is closed. */
  readonly secret: string | undefined;
  readonly title: string;
  readonly hint: string;
  readonly onClose: () => void;
};

/** Shows a secret that cannot be read again. */
export const SecretDialog = ({ secret, title, hint, onClose }: SecretDialogProps) => (
  <Dialog
    isOpen={secret !== undefined}
    title={title}
    hint={hint}
    disablesPointerDismissal
    onClose={onClose}
  >
    {secret !== undefined && <Secret secret={secret} label={title} />}
    <div className="actions">
      <button type="button" className="button" onClick={onClose}>
        {t('secret.done')}
      </button>
    </div>
  </Dialog>
);

const Secret = ({ secret, label }: { readonly secret: string; readonly label: string }) => {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [isCopied, setIsCopied] = useState(false);
  const copy = async (): Promise<void> => {
    input.current?.select();
    // On plain HTTP a page cannot write to the clipboard. The text is selected then.
    if (!window.isSecureContext) return;
    await navigator.clipboard.writeText(secret);
    setIsCopied(true);
  };
  return (
    <div className="secret">
      <label htmlFor={id} className="sr-only">
        {label}
      </label>
      <input id={id} ref={input} className="input code" value={secret} readOnly dir="ltr" />
      <button
        type="button"
        className="button"
        onClick={() => {
          copy().catch(() => setIsCopied(false));
        }}
      >
        {t('secret.copy')}
      </button>
      <p className="hint" role="status">
        {isCopied ? t('secret.copied') : ''}
      </p>
    </div>
  );
};
