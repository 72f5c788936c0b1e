import { Dialog } from '@base-ui/react/dialog';
import { useId, type FormEvent } from 'react';

import { t } from '../i18n/i18n.ts';
import { ChangeList } from './change-list.tsx';
import { describeChanges, FIELDS } from './changes.ts';
import { isSame, type FlagDocument } from './document.ts';
import type { Draft } from './draft.ts';
import { Findings } from './findings.tsx';
import { describeValue } from './sentence.ts';
import type { Check } from './use-check.ts';

type FlagReviewProps = {
  readonly isOpen: boolean;
  readonly environment: string;
  readonly draft: Draft;
  readonly check: Check;
  /** Why the last attempt has failed. */
  readonly error: string | undefined;
  readonly isApplying: boolean;
  readonly onApply: (comment: string) => void;
  readonly onClose: () => void;
};

/** The server refuses longer comments. */
const MAX_COMMENT_LENGTH = 500;

/** Shows what a draft changes, and which contexts get something else, before it is written. */
export const FlagReview = (props: FlagReviewProps) => (
  <Dialog.Root open={props.isOpen} onOpenChange={open => open || props.onClose()}>
    <Dialog.Portal>
      <Dialog.Backdrop className="backdrop" />
      <Dialog.Popup className="dialog wide">
        <Review {...props} />
      </Dialog.Popup>
    </Dialog.Portal>
  </Dialog.Root>
);

const Review = ({ environment, draft, check, error, isApplying, onApply }: FlagReviewProps) => {
  const id = useId();
  const { base, document } = draft;
  const isBlocked = check.problems.length > 0 || check.isChecking || isApplying;
  const apply = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const comment = new FormData(event.currentTarget).get('comment');
    if (!isBlocked) onApply(typeof comment === 'string' ? comment : '');
  };
  return (
    <form className="review" onSubmit={apply}>
      <Dialog.Title className="dialog-title">
        {t('flagReview.title', { flag: base.key, environment })}
      </Dialog.Title>
      <ChangeList changes={describeChanges(base, document)} />
      <details>
        <summary>{t('flagReview.json')}</summary>
        <JsonChanges base={base} document={document} />
      </details>
      <Outcomes check={check} />
      <Findings problems={check.problems} warnings={check.warnings} />
      <label htmlFor={id}>{t('review.comment')}</label>
      <textarea id={id} name="comment" className="input" rows={2} maxLength={MAX_COMMENT_LENGTH} />
      <p className="error" role="alert">
        {error}
      </p>
      <div className="actions">
        <Dialog.Close className="button">{t('review.cancel')}</Dialog.Close>
        <button type="submit" className="button primary" aria-disabled={isBlocked}>
          {t('review.apply')}
        </button>
      </div>
    </form>
  );
};

const INDENTATION = 2;

const JsonChanges = ({
  base,
  document,
}: {
  readonly base: FlagDocument;
  readonly document: FlagDocument;
}) => (
  <pre className="json" tabIndex={0}>
    {FIELDS.filter(field => !isSame(base[field], document[field])).map(field => (
      <span key={field}>
        <del>{`- "${field}": ${JSON.stringify(base[field] ?? null, null, INDENTATION)}`}</del>
        <ins>{`+ "${field}": ${JSON.stringify(document[field] ?? null, null, INDENTATION)}`}</ins>
      </span>
    ))}
  </pre>
);

type Evaluation = Check['results'][number]['evaluation']['live'];

/** Returns what an application gets. */
const describeResult = (evaluation: Evaluation): string => {
  if (evaluation === null) return '–';
  if ('variant' in evaluation && evaluation.variant !== undefined) return evaluation.variant;
  return evaluation.reason === 'ERROR' && 'errorCode' in evaluation
    ? describeValue(evaluation.errorCode)
    : evaluation.reason;
};

/** What saved contexts get before and after. */
const Outcomes = ({ check: { results } }: { readonly check: Check }) =>
  results.length === 0 ? (
    <p className="hint">{t('flagReview.noContexts')}</p>
  ) : (
    <div
      className="table-scroller"
      tabIndex={0}
      role="region"
      aria-label={t('flagReview.contexts')}
    >
      <table>
        <thead>
          <tr>
            <th scope="col">{t('flagReview.context')}</th>
            <th scope="col">{t('flagReview.before')}</th>
            <th scope="col">{t('flagReview.after')}</th>
          </tr>
        </thead>
        <tbody>
          {results.map(({ key, name, evaluation: { live, draft, changed } }) => (
            <tr key={key} className={changed ? 'changed' : ''}>
              <th scope="row">
                <bdi>{name}</bdi>
              </th>
              <td>{describeResult(live)}</td>
              <td>{changed ? <strong>{describeResult(draft)}</strong> : t('flagReview.same')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
