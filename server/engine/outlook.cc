#include "server/engine/outlook.h"

namespace easel {
namespace {

double Seconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

}  // namespace

void Outlook::Arrived(const Job& job, absl::Time now) { shares_.Join(job.tenant, job.weight, Seconds(now)); }

void Outlook::Served(const Job& job, double seconds, absl::Time now) {
  shares_.Charge(job.tenant, seconds, Seconds(now));
}

BatchCandidate Outlook::Candidate(const Job& job, const JobWork& left, absl::Time since,
                                  absl::Time now) const {
  const JobCost cost = costs_->Predict(left);
  BatchCandidate candidate;
  candidate.shape = cost.shape;
  candidate.rows = job.rows;
  candidate.row_cap = cost.row_cap;
  candidate.evaluations = left.evaluations;
  candidate.seconds_left = cost.least;
  candidate.shared_seconds_left = cost.least_shared;
  candidate.outside_forwards = cost.outside_forwards;
  candidate.seconds_to_deadline = absl::ToDoubleSeconds(job.deadline - now);
  candidate.waited_seconds = absl::ToDoubleSeconds(now - since);
  candidate.priority = job.priority;
  candidate.tenant_lead = shares_.Lead(job.tenant);
  return candidate;
}

JobWork WholeWork(const Job& job) {
  JobWork work;
  work.model = job.model;
  work.width = job.spec.width;
  work.height = job.spec.height;
  work.rows = job.rows;
  work.evaluations = job.evaluations;
  return work;
}

}  // namespace easel
