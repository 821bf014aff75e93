"""Tuned constants of tracking, calibration, memory and revival: each value once, with its unit and its reason.

They are no keys of the tracker YAML, since a user can hardly set them better. `Tuning` holds those that `python -m
benchmarks ablation` switches off; the rest are plain constants. Unless a comment says otherwise, a value was set on
PETS09-S2L1 and TUD-Stadtmitte and their perturbed copies (`benchmarks/harness/clips/perturb.py`) with four embedders,
and checked on MOT17's validation half with simulated appearance.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Constants that an ablation changes; `docs/benchmarks/ablation.md` says what each brings.

    Attributes:
        calibrate: Whether scores are calibrated on the video; False leaves the priors.
        learn_metric: Whether the metric is learned; False leaves plain cosine.
        clean_crops: Whether only confident, whole and large enough crops update memory.
        max_covered: Largest share of a clean crop's box under boxes in front of it, in [0, 1].
        memory_prototypes: Prototypes an identity keeps, each the mean of a stretch of clean crops.
        shortlist: Identities that the coarse search leaves to the fine one; 0 leaves all. Costs time, no accuracy:
            recall of the shortlist at 10,000 identities is above 99.7 %.
        confirm_frames: Frames in a row that must agree before an identity is revived.
        recognize_seconds: Seconds of clean crops after which an undecided tracklet is a new identity.
        probation_seconds: Seconds in which a revival can be reverted, and updates no memory; 0 makes it final.
        merge_seconds: Age in seconds up to which an identity may turn out to be an older one; 0 switches that off.
        reverify: Whether a settled track that no longer looks like its identity is matched again.
        initiation_seconds: Seconds that a tracklet waits for its first id at most, while it may be a part of somebody,
            a second box or nobody; 0 gives ids at once.
        covisible_apart: Whether only boxes that are apart make two tracklets different individuals; False takes any two
            boxes of one frame.
        missed_seconds: Seconds for which a track may be without a detection and its tracklet go on, when motion alone
            finds it again and nobody else is near.
        motion_seconds: Seconds after which the Kalman state before a gap says nothing about a return.
        max_speed: Body heights a second that an identity can have moved at most; 0 is no limit.
        class_votes: Whether a track's class is its most frequent one; False takes the last.
    """

    calibrate: bool = True
    learn_metric: bool = True
    clean_crops: bool = True
    max_covered: float = 0.4
    memory_prototypes: int = 8
    shortlist: int = 32
    confirm_frames: int = 2
    recognize_seconds: float = 4.0
    probation_seconds: float = 8.0
    merge_seconds: float = 30.0
    reverify: bool = True
    initiation_seconds: float = 2.8
    covisible_apart: bool = True
    missed_seconds: float = 0.4
    motion_seconds: float = 2.0
    max_speed: float = 10.0
    class_votes: bool = True


# --- First association: what appearance adds to the motion cost ---

# Cost by which full affinity lowers, and full disagreement raises, 1 - IoU * score. Agreement can't make up for boxes
# that don't overlap; disagreement can undo a good overlap.
MAX_BONUS = 0.2
MAX_PENALTY = 0.3
# Weight of the past in a track's running appearance: BoT-SORT (Aharon et al. 2022), section 3.3.
APPEARANCE_MOMENTUM = 0.9
# d' (separation of genuine and impostor scores, standard deviations) of plain cosine from which on the learned metric
# isn't asked; one below, it counts in full. MOT17 simulated: 79.6 -> 81.3 IDF1.
ENOUGH_SEPARATION = 3.5
# Seconds between two updates of crop scores (crops a frame apart are near copies), and tracklets an update.
CROP_SCORES_EVERY = 0.1
CROP_SCORES_TRACKLETS = 8

# --- Low frame rates: association without overlap (`python -m benchmarks frame_rates`) ---

# Frames a second below which overlap isn't enough to go on with a track. Active on PETS at 7 fps: 86.4 -> 81.5 IDF1; at
# 5 fps on TUD-Stadtmitte and EPFL campus4 with three embedders: 90.2 -> 88.6 in the mean.
LOW_FPS = 4.5
# Frames a second for which the host's Kalman noise, a constant a frame, was set.
HOST_FPS = 30.0
# Body heights a second that an individual is off its prediction at most, beyond `NEAR_HEIGHTS`; 1 and 2 give the same.
LOW_FPS_SPEED = 2.0

# --- Which crops are embedded, and which are clean ---

# IoU with its own track from which on a detection fits, and with any other up to which it is apart.
FITTING_IOU = 0.5
APART_IOU = 0.3
# Clean crops up to which a tracklet is embedded in every frame.
CROPS_TO_KNOW = 16
# Pixels from the image's edge within which a box counts as cut off.
BORDER = 2.0

# --- Calibration of scores (cosines) ---

# Pairs kept of each kind, genuine and impostor.
SCORE_PAIRS = 256
# Pairs of either kind below which scores say nothing, and from which on they count in full.
MIN_PAIRS, FULL_PAIRS = 12, 24
# Individuals that the impostor prior counts as: a handful of people says little of how alike people can be.
PRIOR_INDIVIDUALS = 8
# Least standard deviation: sharper scores have not been seen under other light, pose and distance yet.
MIN_SCORE_STD = 0.1
# d' from which on affinity counts in full, and below which scores are not discriminative.
FULL_SEPARATION = 4.0
MIN_SEPARATION = 1.5

# --- The learned metric (discriminant analysis of tracklets) ---

# Shrinkage of the within-tracklet scatter toward its mean eigenvalue (Ledoit & Wolf 2004).
SHRINKAGE = 0.3
# Residuals accumulated before the scatter is updated.
SCATTER_BATCH = 64
# Crops before the first refresh, and growth of evidence between two: log many refreshes, never a stale one. 1.25 is no
# better (four real clips, also reversed, cut and weakened, five embedders), and half as much work again.
FIRST_REFRESH = 64
REFRESH_GROWTH = 1.4
# Crops from which on one stretch in so many is learned from: more of the same costs time and changes nothing.
PLENTY_OF_CROPS = 8192
SAMPLED_STRETCHES = 8
# Multiplications of a refresh that a frame does where frames are fast, some 2 ms: at 512 dimensions it takes some 15
# frames. Longer embeddings take more a frame, so that either half of a refresh lasts for about so many; the first one
# hurries. With 960 dimensions (the detector's features) and no such bounds, TUD-Stadtmitte falls from 82 to 70 IDF1.
REFRESH_WORK = 1 << 26
FIRST_REFRESH_FRAMES, REFRESH_FRAMES = 2, 8
# Seconds between frames from which on a refresh, updates and late merges aren't spread: the frame has time for all of
# them, and memory would lag behind. Spread at 7 fps, PETS is as good (four embedders, also reversed, cut and weakened);
# at 1.4 fps it loses 8 points of IDF1. A little above 0.2: 5 fps are fast, however the times of frames are rounded.
FAST_FRAME_SECONDS = 0.2001
# A camera is static once so many frames in a row show a keyframe's view; a keyframe lasts so many frames.
STATIC_FRAMES, KEYFRAME_FRAMES = 30, 300
# Corners of a keyframe at most, those in no box at least, and how far their median may have moved: pixels of the image
# that the host compares, half as wide.
STATIC_CORNERS, MIN_STATIC_CORNERS, STATIC_SHIFT = 48, 12, 0.5
# Individuals without which there is no origin, and as how many the safe start (no origin) counts.
MIN_INDIVIDUALS = 2
PRIOR_TRACKLETS = 0.5
# Share of the between-individual scatter taken as isotropic, for individuals not met yet. With 0.5 and 1 ids grow by a
# tenth (detector's features); 0.1 is no better.
UNMET_SHARE = 0.2
# Individuals as which the isotropic scatter counts beside those met, who differ in few directions. With 0 and 5, weak
# embeddings revive strangers.
PRIOR_MET = 10
# Crops as which a prototype counts where noise along tracklets is weighed: the crops of a stretch are near copies, so
# that a mean of them is hardly less noisy than one. With 5, as many as it has at least, ids grow by 3 % and switches by
# 10 % (four real clips, also reversed, cut and weakened, five embedders); with 0.5 ids fall by as much again, but
# rendered scenes lose 1.6 points of IDF1, and with 0.1 real clips lose 2.
INDEPENDENT_CROPS = 1.0
# Individuals whose means the scatter is measured on at most, spread evenly over all.
MAX_BETWEEN = 256

# --- Evidence of tracklets and updates of memory ---

# Seconds between two checks of tracklets against their identities, and how far back their crops go.
CHECK_EVERY = 0.5
CHECK_SPAN = 1.0
# Tracklets a check whose scores are learned from: more would only push out older pairs.
CHECK_TRACKLETS = 12
# Clean crops without which a tracklet is neither new nor contradicts its identity.
MIN_CLEAN_CROPS = 5
# Checks in a row that must contradict an identity before it is reverified or reverted.
CONTRADICTIONS_TO_REVERT = 2
# Seconds that crops wait before they update memory, long enough to be contradicted.
UPDATE_LAG = CHECK_SPAN + CONTRADICTIONS_TO_REVERT * CHECK_EVERY
# Clean crops averaged into one prototype, at least; from so many crops of a tracklet on, they span some seconds too.
STRETCH_CROPS = 5
STRETCH_SECONDS = 1.0
MANY_CROPS = 128
# Tracklets that update memory in one frame, those that wait longest first. Where a crowd was there from the first frame
# on, all of it is due at once.
MAX_UPDATES = 8
# Clean crops that a prototype from another camera or an earlier run counts as.
ELSEWHERE_CROPS = 5.0

# --- Track initiation ---

# Mean detection score from which on a newcomer is not in doubt, and below which it is wholly.
SURE_SCORE, WEAK_SCORE = 0.65, 0.45
# Where the mean score of confirmed tracks' boxes is below `SURE_SCORE`, all of these scores are lower in proportion.
# With scores halfway to `track_high_thresh` 7 % of people's boxes are held back on the four real clips, 19 % without
# this. It starts at `SURE_SCORE`, which counts as so many boxes, and those seen count as so many at most.
USUAL_BOXES = 30.0, 1000.0
# Share of the smaller box in that of a track with an id above which a newcomer may be a part of it; it is wholly in
# doubt unless its mean score is as high as this, and then this much. In a crowd most newcomers overlap somebody: with a
# doubt twice as high MOT17 loses 0.6 points of MOTA, MOT17-05 3.
WHOLE_SHARE = 0.5
PART_SCORE, PART_DOUBT = 0.75, 0.075
# Share up to which two boxes certainly show two individuals: more may be a second box on one of them.
APART_SHARE = 0.3
# Seconds as `missed_seconds` where others are near: looks must agree sooner. Without a difference MOT17's crowds lose
# 0.7 points of IDF1; at 0, a detector that misses one box in eight costs the four real clips 2 points more.
NEAR_MISSED_SECONDS = 0.05

# --- Matching returning tracklets to identities (log-likelihood ratios in nats) ---

# Bound of appearance beyond log(number of candidates), and of Kalman motion.
MAX_APPEARANCE = 6.0
MAX_MOTION = 3.0
# Log-odds of the identity that the host's own re-activation says it is.
REACTIVATION_LOG_ODDS = 4.0
# Log-odds in favor of the identity that a tracklet shows on probation: hysteresis.
INCUMBENT_LOG_ODDS = 2.0
# Cosine by which another tracklet must resemble an identity more than its incumbent to take it.
INCUMBENT_MARGIN = 0.1
# Log-odds below which a tracklet does not resemble an identity at all, and below which it hardly does.
UNLIKE_LOG_ODDS = -4.0
HARDLY_LOG_ODDS = -2.0
# Log-odds above which a tracklet is likely to return, and the seconds that its box then waits for its id at least.
LIKELY_LOG_ODDS, LIKELY_HOLD_SECONDS = 0.0, 1.0
# Bounds of the impostor rate after motion raised or lowered it: appearance always decides a part.
MIN_RATE, MAX_RATE = 1e-12, 0.2
# Seconds after which a tracklet is new as long as scores aren't calibrated: waiting longer would tell nothing.
UNCALIBRATED_SECONDS = 2.0
# Kalman motion over a gap: random-walk diffusion, body heights a second.
DIFFUSION_HEIGHTS_PER_S = 0.7
# Speed gate: body heights that a box may be off at once, and the log of its growth at once and a second (a person who
# steps out from behind an object is seen in part at first).
NEAR_HEIGHTS = 1.0
LOG_GROWTH = 1.1
# Body heights within which everything in an image lies.
IMAGE_HEIGHTS = 150.0

# --- Late merges of young identities ---

# Checks in a row that must agree, and young identities a check.
MERGE_STREAK = 2
MERGES_AT_ONCE = 8
# Cosine by which the older identity must be closer than any visible one, and bound of the impostor rate.
MERGE_MARGIN = 0.1
MAX_MERGE_RATE = 0.5

# --- Probability that two visits in a gallery show the same individual ---
# Set on PETS09-S2L1 and EPFL campus4, see `python -m benchmarks reliability`. The optimum is flat: 0.2 to 0.35, 0.02 to
# 0.1 and 0 to 0.2 for the three below the prior give nearly the same log loss.

# Share of genuine pairs among those that are shown, before their similarity is known: one row in ten shows the query's
# individual. It is the same for every row and gallery, so that a row's probability depends on nothing but the row.
PRIOR_SAME = 0.1
# Share of sightings that look unlike their individual's other visits (half hidden, turned away, two people in a box).
# The fewer sightings a visit has, the likelier all of them are such; either of two visits may be.
UNLIKE_SIGHTINGS = 0.3
# Share of pairs whose similarity says nothing: look-alikes, swapped ids. It bounds how sure a row can be.
OUTLIER_PAIRS = 0.05
# Standard deviation of genuine similarities between visits, beyond that of crops seconds apart.
VISIT_STD = 0.1
# Probability below which two visits of one identity look unlike each other.
ALIKE_PROBABILITY = 0.5

# --- The second pass: identities over a whole video ---


@dataclass(frozen=True, kw_only=True)
class RefineTuning:
    """Constants of `refine`, set on PETS09-S2L1, TUD-Stadtmitte, EPFL campus4 (both cameras), forward and reversed,
    and MOT17's validation half with simulated appearance, for six embedders and noise.

    Attributes:
        gap_seconds: Absence after which a run of one id is cut into pieces, seconds.
        jump_heights: Body heights between two boxes of an id in a row, a second, beyond its own height, that cut it.
        min_crops: Clean crops on a side without which looks say nothing.
        prior_std: Standard deviation of scores of either kind until the video tells, and
        prior_pairs: as many pairs as it counts.
        prior_genuine: Mean score of genuine pairs until the video tells; halves of an unbroken run, which it is
            learned from, are more alike than returns.
        apart_ios: Intersection over the smaller box up to which two boxes are apart.
        apart_share: Share of common frames in which two pieces must be apart to be strangers for certain.
        same_ios: Intersection over the smaller box from which on two boxes may be one individual's.
        twin_share: Share of a piece's frames in which its box lies in another's from which on it is its double.
        tolerated_frames: Common frames, boxes not one in another, up to which two pieces may still be one individual.
        min_separation: d' of the scores below which appearance says nothing.
        max_appearance: Bound of the log-likelihood ratio of appearance, nats.
        max_motion: The same of motion.
        motion_seconds: Gap after which motion says nothing.
        max_speed: Body heights a second that an individual moves at most.
        new_log_odds: Log-odds, before any evidence, that two pieces of different ids are different individuals.
        unseen_log_odds: The same where looks tell individuals apart in this video, but these two can't be compared.
        same_id_log_odds: Log-odds that two pieces of one id are one individual.
        late_id_log_odds: The same where the tracker took it back by looks, after a gap beyond `motion_seconds`.
        leave_log_odds: Log-odds above which pieces of one id that was absent in between stay one, where nothing better
            is found for either.
        cut_log_odds: Log-likelihood ratio below which a piece is cut where its looks change, where it met another.
        cut_anywhere_log_odds: The same where it met nobody.
        cut_crops: Clean crops on each side of a cut, at least.
        blip_seconds: Length up to which what nothing is linked to is dropped, seconds of boxes.
        short_seconds: The same where its confidence is low, or it lies in another's box.
        short_confidence: Mean confidence below which that is so.
    """

    gap_seconds: float = 1.0
    jump_heights: float = 3.0
    min_crops: int = 3
    prior_std: float = 0.2
    prior_pairs: float = 20.0
    prior_genuine: float = 0.6
    apart_ios: float = 0.05
    apart_share: float = 0.8
    same_ios: float = 0.7
    twin_share: float = 0.7
    tolerated_frames: int = 2
    min_separation: float = 1.5
    max_appearance: float = 6.0
    max_motion: float = 3.0
    motion_seconds: float = 2.0
    max_speed: float = 4.0
    new_log_odds: float = 1.5
    unseen_log_odds: float = 2.5
    same_id_log_odds: float = 2.0
    late_id_log_odds: float = -0.5
    leave_log_odds: float = -0.5
    cut_log_odds: float = 0.0
    cut_anywhere_log_odds: float = -4.0
    cut_crops: int = 8
    blip_seconds: float = 0.2
    short_seconds: float = 1.0
    short_confidence: float = 0.4


# --- Relinking a gallery ---

# Set on EPFL campus4 (both cameras), PETS cut in two, four simulated scenes of 2 and 4 cameras and two parades of 60. A
# sighting is a mean of clean crops, so that one on a side tells; visits to two cameras are less alike than halves of a
# visit. The optimum is flat: 30 to 50 pairs, means of 0.2 to 0.3 and -0.8 to 0 give nearly the same; 1.5 in place of
# `new_log_odds` links little more than online. A low bound of appearance would let a visit of many sightings win over
# one that is more alike.
RELINK = RefineTuning(
    min_crops=1,
    prior_pairs=30.0,
    prior_genuine=0.3,
    prior_std=0.15,
    new_log_odds=0.0,
    same_id_log_odds=1.0,
    max_appearance=20.0,
)
# Identities above which the prior falls with their number: the more there are, the more resemble each other by chance.
# 10 links a tenth less in the scenes, without one a pair of the 60 people of a parade is merged.
FEW_IDENTITIES = 20.0
# Visits that are relinked at once: tables of each two take 50 bytes a pair.
MAX_RELINKED_VISITS = 3000

# --- Overlapping views of two cameras: feet on common ground ---
# Set on EPFL campus4 and on simulated places; errors of a foot are those of box and clock.

# Standard deviation of a foot, in heights of its box, until feet tell, as many feet as that counts, and its bounds.
FOOT_STD, FOOT_STD_POINTS = 0.08, 10.0
MIN_FOOT_STD, MAX_FOOT_STD = 0.04, 0.2
# Share of feet that are wrong, and most that one foot says, nats.
FOOT_OUTLIERS, MAX_FOOT_NATS = 0.1, 3.0
# Prior standard deviation of the homography's affine parameters, and of the two that tilt.
PLANE_STD, TILT_STD = 5.0, 2.0
# Weight of each foot: those a second apart have errors in common.
FOOT_WEIGHT = 0.5
# Nats by which a map must explain each of two pairs of visits or more without having been estimated from it, and all of
# them together; by how many times it must explain more than any that matches visits otherwise; and the share of visits
# that it must explain of those that it says the other camera sees, at first and later. Simulated, 3 to 8 people, views
# that overlap in part: true maps explain 0.56 to 1 of these, maps between different places up to 0.56.
MIN_GROUND_PAIR_NATS, MIN_GROUND_NATS = 4.0, 16.0
MIN_GROUND_RATIO, MIN_GROUND_SHARE, KEPT_GROUND_SHARE = 1.5, 0.6, 0.4
# Nats of feet without which two visible visits are not linked, and below which a link is revoked.
MIN_FEET_NATS, REVOKE_FEET_NATS = 1.5, -6.0
# Bound of what looks add to feet, nats.
MAX_LOOKS_NATS = 4.0

# --- Similarities between cameras: normalized by cohorts ---

# Candidates without which there is no cohort, and as many of its scores all impostors' count.
MIN_COHORT, COHORT_PRIOR = 4, 10.0

# By how much the logarithm of the number of questions about a visitor adds to the false links of one: an impostor's
# similarity stays much as it is. PETS cut in two at seven places, four embedders: 5 of 188 links more are found than if
# questions count as independent ones, and as many are wrong.
REPEATED_QUESTIONS = 0.3
